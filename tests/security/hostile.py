"""Images that would reach out: to files, to the network, to a shell. Each names a canary."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests import photographs
from tests.files import write_tiff
from tests.security.canary import Canary

JAVASCRIPT = "app.launchURL('{url}'); this.submitForm('{url}'); app.alert('x');"


def svg(canary: Canary) -> bytes:
    return f"""<?xml version="1.0"?>
<!DOCTYPE svg [<!ENTITY secret SYSTEM "{canary.file.as_uri()}">]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
  width="200" height="200"><text>&secret;</text><image xlink:href="{canary.file.as_uri()}"/>
  <image xlink:href="{canary.url}"/><script>x</script></svg>""".encode()


def magick(canary: Canary) -> bytes:
    return f"push graphic-context\nimage over 0,0 0,0 'url({canary.url})'\n".encode()


def pdf(
    catalog: str, *objects: str, contents: str = "<< /Length 0 >>\nstream\n\nendstream"
) -> bytes:
    """Return a document of one page; objects are numbered from 5."""
    bodies = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 150] /Contents 4 0 R"
        " /AA << /O 5 0 R >> /Annots [6 0 R] >>",
        contents,
        *objects,
    ]
    content, places = "%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(bodies) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    return f"{content}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode()


def pdf_with_javascript(canary: Canary) -> bytes:
    script = JAVASCRIPT.format(url=canary.url)
    action = f"<< /S /JavaScript /JS ({script.replace('(', '[').replace(')', ']')}) >>"
    return pdf("/OpenAction 5 0 R", action, link("5 0 R"))


def pdf_that_launches(canary: Canary) -> bytes:
    launch = f"<< /S /Launch /F ({canary.file}) >>"
    return pdf("/OpenAction 5 0 R", launch, link("5 0 R"))


def pdf_that_goes_to_a_file(canary: Canary) -> bytes:
    go = f"<< /S /GoToR /F ({canary.file}) /D [0 /Fit] >>"
    return pdf("/OpenAction 5 0 R", go, link("5 0 R"))


def pdf_that_goes_to_an_address(canary: Canary) -> bytes:
    go = f"<< /S /URI /URI ({canary.url}) >>"
    return pdf("/OpenAction 5 0 R", go, link("5 0 R"))


def pdf_with_an_external_stream(canary: Canary) -> bytes:
    stream = f"<< /Length 0 /F ({canary.file}) >>\nstream\n\nendstream"
    return pdf("", "<< /S /Named /N /NextPage >>", link("5 0 R"), contents=stream)


def pdf_with_a_foreign_picture(canary: Canary) -> bytes:
    picture = (
        "<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray"
        f" /BitsPerComponent 8 /Length 4 /F << /FS /URL /F ({canary.url}) >> >>"
        "\nstream\nabcd\nendstream"
    )
    return pdf("", "<< /S /Named /N /NextPage >>", link("5 0 R"), contents=picture)


def pdf_form_of_xfa(canary: Canary) -> bytes:
    template = f"<xdp><event><submit target='{canary.url}'/></event></xdp>"
    form = f"<< /Length {len(template)} >>\nstream\n{template}\nendstream"
    catalog = "/AcroForm << /Fields [6 0 R] /XFA 7 0 R /NeedAppearances true >>"
    action = f"<< /S /SubmitForm /F << /FS /URL /F ({canary.url}) >> >>"
    return pdf(f"{catalog} /OpenAction 5 0 R", action, link("5 0 R"), form)


def link(action: str) -> str:
    return f"<< /Type /Annot /Subtype /Link /Rect [0 0 200 150] /A {action} >>"


def tiff_with_names(canary: Canary) -> bytes:
    """A good TIFF whose texts are paths: document's and page's name, software, artist."""
    tags = [(tag, "s", 0, str(canary.file), True) for tag in (269, 285, 305, 315)]
    with tempfile.TemporaryDirectory() as folder:
        return write_tiff(
            Path(folder, "x.tif"), photographs.portrait(), extratags=tags
        ).read_bytes()


HOSTILE: Mapping[str, Callable[[Canary], bytes]] = {
    made.__name__.replace("_", " "): made
    for made in (
        svg,
        magick,
        pdf_with_javascript,
        pdf_that_launches,
        pdf_that_goes_to_a_file,
        pdf_that_goes_to_an_address,
        pdf_with_an_external_stream,
        pdf_with_a_foreign_picture,
        pdf_form_of_xfa,
        tiff_with_names,
    )
}

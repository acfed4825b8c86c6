"""docs/permissions.md lists what the template's roles may do: all of it, and nothing more."""

import re
from pathlib import Path

from tests.cfn.template import allowed, load_document, properties_of

PAGE = Path(__file__).parents[2] / "docs/permissions.md"
ROW = re.compile(r"^\| (?P<role>\w+Role) \| (?P<actions>`.+?`) \| (?P<on>.+?) \| (?P<why>.+) \|$")
JOB_DEFINITION = "arn:${AWS::Partition}:batch:${AWS::Region}:${AWS::AccountId}:job-definition/"
ACCOUNT = "${AWS::Region}:${AWS::AccountId}"
WORDS = {
    "*": "everything",
    "${BatchBucket.Arn}/*": "task files",
    "arn:${AWS::Partition}:s3:::${SourceBucketName}": "source bucket",
    "arn:${AWS::Partition}:s3:::${SourceBucketName}/*": "the scans",
    "arn:${AWS::Partition}:s3:::${DestBucketName}": "destination bucket",
    "arn:${AWS::Partition}:s3:::${DestBucketName}/*": "the exports",
    f"arn:${{AWS::Partition}}:batch:{ACCOUNT}:job-queue/${{Name}}": "job queue",
    f"arn:${{AWS::Partition}}:batch:{ACCOUNT}:job/*": "jobs",
    f"arn:${{AWS::Partition}}:events:{ACCOUNT}:event-bus/default": "default event bus",
    "arn:${AWS::Partition}:ecr:*:*:repository/*": "image repositories",
    f"{JOB_DEFINITION}${{Name}}": "worker definition",
    f"{JOB_DEFINITION}${{Name}}:*": "worker definition",
    f"{JOB_DEFINITION}${{Name}}-manifests": "manifest definition",
    f"{JOB_DEFINITION}${{Name}}-manifests:*": "manifest definition",
}
"""What the page calls a resource; others by their names."""


def spoken(resource: str) -> str:
    return WORDS.get(resource, resource.removesuffix(".Arn"))


def test_the_page_has_every_permission_and_no_other() -> None:
    listed = set()
    for line in PAGE.read_text("utf-8").splitlines():
        if row := ROW.match(line):
            actions = re.findall(r"`([^`]+)`", row["actions"])
            targets = [target.strip("` ") for target in row["on"].split(", ")]
            listed |= {(row["role"], action, target) for action in actions for target in targets}
    template = properties_of(load_document())
    roles = {role for role, _, _ in listed}
    assert roles == {name for name in template if name.endswith("Role")} - {"InstanceRole"}
    held = {
        (role, action, spoken(target))
        for role in roles
        for action, target in allowed(template, role)
    }
    missing, idle = sorted(held - listed), sorted(listed - held)
    assert not missing, "\n".join(f"| {role} | `{may}` | {on} | ? |" for role, may, on in missing)
    assert not idle, "\n".join(f"{role} may not {may} on {on}" for role, may, on in idle)

"""Who provides an item: its row's institutions, or the run's, as agents of a manifest. Pure."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from manifest_builder.description import Description
from manifest_builder.document import label
from pipeline.defaults import Defaults, Provider
from pipeline.layout import Layout

LOGO_FORMATS = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}


def build_providers(
    layout: Layout, description: Description, defaults: Defaults
) -> list[dict[str, Any]]:
    """Return a manifest's agents; a row may name the run's provider without its details."""
    default = defaults.provider
    if description.providers:
        agents = [_completed(provider, default) for provider in description.providers]
        return [_agent(layout, agent, description.language) for agent in agents]
    return [_agent(layout, default)] if default is not None else []


def _completed(provider: Provider, default: Provider | None) -> Provider:
    if default is None or provider.name.casefold() != default.name.casefold():
        return provider
    return replace(
        provider,
        homepage=provider.homepage or default.homepage,
        logo=provider.logo or default.logo,
        id=default.id,
    )


def _agent(layout: Layout, provider: Provider, language: str = "none") -> dict[str, Any]:
    name = label([provider.name], language) or {language: [provider.name]}
    agent: dict[str, Any] = {
        "id": provider.id or provider.homepage or layout.provider_url(provider.name),
        "type": "Agent",
        "label": name,
    }
    if provider.homepage is not None:
        homepage = {"id": provider.homepage, "type": "Text", "label": name, "format": "text/html"}
        agent["homepage"] = [homepage]
    if provider.logo is not None:
        logo = {"id": provider.logo, "type": "Image"}
        suffix = urlsplit(provider.logo).path.rpartition(".")[2].lower()
        if suffix in LOGO_FORMATS:
            logo["format"] = LOGO_FORMATS[suffix]
        agent["logo"] = [logo]
    return agent

"""Keep sphinx-thebe out of the pages.

Jupyter Book always loads it. Here no page starts a kernel of its own, and its script, which declares one constant
twice, would be a JavaScript error on every page.
"""

from __future__ import annotations


def disconnect_thebe(app, config) -> None:
    """Take the handlers of sphinx-thebe off every event of Sphinx, and its style sheet off the pages."""
    for name, listeners in app.events.listeners.items():
        app.events.listeners[name] = [one for one in listeners if not is_thebe(one.handler)]
    app.registry.css_files = [sheet for sheet in app.registry.css_files if sheet[0] != "sphinx-thebe.css"]


def is_thebe(handler) -> bool:
    """Tell whether a handler belongs to sphinx-thebe."""
    return getattr(handler, "__module__", "").partition(".")[0] == "sphinx_thebe"


def setup(app):
    app.connect("config-inited", disconnect_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

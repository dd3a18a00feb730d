"""plotly.js, from the installed plotly package, whose Python is never imported.

Importing it would cost the controller more memory than everything else that it does.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.util import find_spec
from pathlib import Path

FILE = "package_data/plotly.min.js"


class PlotlyMissingError(RuntimeError):
    """The package is not installed, or not with the file that we know."""


def source() -> bytes:
    """The program, fit to stand inside a `script` element."""
    spec = find_spec("plotly")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = next((found for f in folders if (found := Path(f) / FILE).is_file()), None)
    if path is None:
        raise PlotlyMissingError(f"plotly/{FILE} is not installed: pip install plotly")
    return safe(path.read_bytes())


def safe(script: bytes) -> bytes:
    r"""A script that cannot end its element early.

    >>> safe(b"a = '</script>'; b = '<!--'")
    b"a = '<\\/script>'; b = '<\\!--'"
    """
    return (
        script.replace(b"</script", rb"<\/script")
        .replace(b"</SCRIPT", rb"<\/SCRIPT")
        .replace(b"<!--", rb"<\!--")
    )


def digest(script: bytes) -> str:
    """The hash by which a content security policy allows exactly this script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}"

"""The library that draws the charts of a page: Vega, Vega-Lite and Vega-Embed (BSD licence)."""

from functools import cache

from canonic.errors import CanonicError


@cache
def bundle() -> str:
    """Return the library as one script without imports, which can stand in a script element.

    Raises:
        CanonicError: if the package that carries it is not installed.
    """
    try:
        from vl_convert import javascript_bundle
    except ImportError:
        raise CanonicError(
            "a report draws its charts with vl-convert-python, which is not installed: pip install vl-convert-python"
        ) from None
    return javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")

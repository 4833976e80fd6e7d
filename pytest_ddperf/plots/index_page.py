"""Index page of a folder of figures: one static file that shows them by family and loads nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_ddperf.plots.describe import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.plots.describe.charts import Chart

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Figures - DeepDetect performance</title>
<style>
:root { color-scheme: light dark; --back: #fbfbfa; --text: #1d2126; --quiet: #5b636d; --line: #d9dde2;
  --link: #1f5fb0; }
@media (prefers-color-scheme: dark) {
  :root { --back: #15181c; --text: #e4e7ea; --quiet: #9ba4ae; --line: #363c44; --link: #7fb2f0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1500px; padding: 20px clamp(12px, 3vw, 32px) 40px; background: var(--back);
  color: var(--text); font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.45rem; margin: 0 0 10px; }
h2 { font-size: 1.12rem; margin: 32px 0 10px; }
h2 small, nav small, figcaption { color: var(--quiet); font-weight: 400; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 0; padding: 0; list-style: none; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 10px; border: 1px solid var(--line); border-radius: 10px; background: #fff; }
figure img { display: block; width: 100%; height: auto; }
figcaption { margin-top: 6px; color: #5b636d; font-size: 0.87rem; overflow-wrap: anywhere; }
figcaption a { color: #1f5fb0; }
</style>
</head>
<body>
"""


def index_page(charts: Mapping[str, Chart]) -> str:
    """Return the page as HTML; each figure is shown as PNG and links to its SVG.

    Args:
        charts: the figures by file name without extension.
    """
    families = names.by_family(charts)
    lines = [f"<h1>{len(charts)} figures of DeepDetect performance</h1>", '<nav aria-label="Families"><ul>']
    lines += [
        f'<li><a href="#{family}">{family}</a> <small>{len(members)}</small></li>'
        for family, members in families.items()
    ]
    lines += ["</ul></nav>", "<main>"]
    for family, members in families.items():
        lines += [
            f'<section aria-labelledby="{family}">',
            f'<h2 id="{family}">{family} <small>{escape(names.FAMILIES[family])}</small></h2>',
            '<div class="figures">',
            *(_figure(name, charts[name].text.title) for name in members),
            "</div></section>",
        ]
    return _HEAD + "\n".join([*lines, "</main>", "</body>", "</html>", ""])


def _figure(name: str, title: str) -> str:
    png, svg = (f"{quote(name)}.{ending}" for ending in names.ENDINGS)
    return (
        f'<figure><a href="{svg}"><img src="{png}" alt="{escape(title)}"></a>'
        f'<figcaption>{escape(name)}: <a href="{png}">PNG</a>, <a href="{svg}">SVG</a></figcaption></figure>'
    )

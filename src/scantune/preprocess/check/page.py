"""A check as one HTML file: everything is in it, nothing is fetched, all text is escaped."""

from __future__ import annotations

import base64
from pathlib import Path

from scantune.amounts import number_of
from scantune.files import write_json, write_text
from scantune.preprocess.check.findings import Findings
from scantune.preprocess.check.pictures import encoded
from scantune.tables import write_csv

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Check of {{ name }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2833; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d5dbdf }
table { border-collapse: collapse; margin: .4rem 0 } td, th { padding: .15rem .7rem .15rem 0; text-align: left }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.2rem }
.bar { background: #4a7fa5; height: .7rem; display: inline-block } .quiet { color: #6b7a85 }
.sheet { display: flex; flex-wrap: wrap; gap: .5rem } figure { margin: 0; max-width: 100% }
figure img { min-height: 96px; max-width: 100%; background: #000; image-rendering: pixelated }
.key { display: inline-block; width: .8rem; height: .8rem; border: 2px solid; margin-right: .3rem }
figcaption { font-size: 10px; color: #6b7a85; overflow-wrap: anywhere }
.bad { color: #a93226 }
</style></head><body>
<h1>Check of {{ name }}</h1>
<table>{% for step in f.flow.steps %}<tr><th>{{ step.name }}</th><td>{{ step.samples | number_of("sample") }}</td>
<td>{% if step.subjects is not none %}
{{ step.subjects | number_of("subject") }}{% endif %}</td></tr>{% endfor %}</table>
{% if not f.flow.subjects_known %}
<p class="bad">No subject identifiers: every sample is treated as a separate subject.</p>
{% endif %}
{% if f.faults %}<h2>Faults</h2>{% for fault in f.faults %}<p class="bad">{{ fault }}</p>{% endfor %}{% endif %}
{% if f.table_notes %}<h2>The table</h2>{% for note in f.table_notes %}<p>{{ note }}</p>{% endfor %}{% endif %}
{% if f.wrong_labels %}<h2>Labels of masks</h2><table>{% for id, what in f.wrong_labels.items() %}
<tr><td>{{ id }}</td><td>{{ what }}</td></tr>{% endfor %}</table>{% endif %}
{% if f.mask_sizes %}<h2>Masks</h2><table>
<tr><th></th><th>samples</th><th>median size</th><th>smallest</th><th>largest</th></tr>
{% for name, of in f.mask_sizes.items() %}<tr><th><span class="key" style="border-color: {{ f.legend[name] }}"></span>
{{ name }}</th><td{% if not of.samples %} class="bad"{% endif %}>{{ of.samples }} of {{ of.of }}</td>
<td>{{ of.get("median", "") }}</td>
<td>{{ of.get("smallest", "") }}</td><td>{{ of.get("largest", "") }}</td></tr>{% endfor %}</table>
{% if f.mask_cuts %}<p class="bad">{{ f.mask_cuts | length }}
{{ "masks reach" if f.mask_cuts | length > 1 else "mask reaches" }} beyond the network's input, so that no
prediction can contain them: enlarge the input's shape or spacing.</p><table>
{% for id, what in f.mask_cuts.items() %}<tr><td>{{ id }}</td><td>{{ what }}</td></tr>{% endfor %}</table>{% endif %}
{% endif %}<h2>Excluded</h2>
{% for step in f.flow.steps if step.excluded %}<table>{% for reason, n in step.excluded.items() %}
<tr><td>{{ n }}</td><td>{{ reason }}</td></tr>{% endfor %}</table>{% else %}<p>Nothing.</p>{% endfor %}
{% if f.excluded %}<details><summary>Which samples</summary><table>{% for id, reason in f.excluded.items() %}
<tr><td>{{ id }}</td><td>{{ reason }}</td></tr>{% endfor %}</table></details>{% endif %}
<h2>Duplicates</h2>
{% for ids in f.duplicates %}<p class="bad">The same image: {{ ids | join(", ") }}</p>
{% else %}<p>None.</p>{% endfor %}
<h2>Identifying text</h2>
<p class="quiet">Kinds and counts only, not the text. Header items remain in the raw files and are not written
elsewhere.</p>
{% for place, kinds in f.identifying.items() %}<p>{{ place }}:
{% for kind, n in kinds.items() %}{{ kind }} {{ n }}×{{ ", " if not loop.last }}{% endfor %}</p>
{% else %}<p>None found.</p>{% endfor %}
{% if f.text_areas %}<p>Text burned into {{ f.text_areas | length | number_of("image") }}
was found and blanked.</p>{% endif %}
<h2>Unusual intensities</h2>
{% for note in f.intensity_notes %}<p>{{ note }}</p>{% endfor %}
{% if f.units %}<p>Values of {{ f.units | length | number_of("sample") }} are in another unit than
those of most.</p>
<table>{% for id, unit in f.units.items() %}<tr><td>{{ id }}</td><td>{{ unit }}</td></tr>{% endfor %}</table>{% endif %}
{% if f.odd_intensities %}<p class="quiet">The most unusual first.</p>
<details {{ "open" if f.odd_intensities | length <= 20 }}>
<summary>{{ f.odd_intensities | length | number_of("sample") }}</summary>
<table>{% for id, what in f.odd_intensities.items() %}<tr><td>{{ id }}</td><td>{{ what }}</td></tr>{% endfor %}</table>
</details>{% elif not f.intensity_notes and not f.units %}<p>None.</p>{% endif %}
{% if f.notes %}<h2>Notes of the readers</h2><table>{% for note, n in f.notes.items() %}<tr><td>{{ n }}</td>
<td>{{ note }}</td></tr>{% endfor %}</table>{% endif %}
<h2>Distributions</h2><div class="grid">
{% for title, counts in f.histograms.items() %}{% set most = counts.values() | max %}<div><strong>{{ title }}</strong>
<table>{% for value, n in counts.items() %}<tr><td>{{ value }}</td><td><span class="bar"
style="width: {{ (90 * n / most) | round(1) if most else 0 }}px"></span> {{ n }}</td></tr>{% endfor %}</table></div>
{% endfor %}</div>
{% for target, groups in f.labels.items() %}{% for group, levels in groups.items() %}
<h2>{{ target }} by {{ group }}</h2><table>{% for level, counts in levels.items() %}
<tr><th>{{ level or "(empty)" }}</th>
{% for value, n in counts.items() %}<td>{{ value or "(empty)" }}: {{ n }}</td>{% endfor %}</tr>{% endfor %}</table>
{% endfor %}{% endfor %}
<h2>Input of a network</h2>
<p class="quiet">Middle planes of prepared samples (with masks the planes in which most is marked), 1st to 99th
percentile, channels side by side. Volumes: axial, anterior on top, the patient's right on the left-hand side
(radiological, as in all reports). Registered brains: axial, coronal and sagittal, with the outline of the template's
brain. Stills and videos: as stored.</p>
{% if f.legend %}<p>{% for name, colour in f.legend.items() %}
<span class="key" style="border-color: {{ colour }}"></span>{{ name }} {% endfor %}</p>{% endif %}
<div class="sheet">{% for id, picture in pictures.items() %}<figure>
<img alt="" src="data:image/png;base64,{{ picture }}"><figcaption>{{ id }}</figcaption></figure>{% endfor %}</div>
</body></html>
"""


def write_check(folder: Path, name: str, findings: Findings) -> None:
    """``check.html``, ``check.json`` and ``excluded.csv`` (each excluded sample, with the reason) in ``folder``."""
    write_text(folder / "check.html", page(name, findings))
    write_json(folder / "check.json", findings.as_dict())
    write_csv(folder / "excluded.csv", ["sample_id", "reason"], [[k, v] for k, v in findings.excluded.items()])


def page(name: str, findings: Findings) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number_of"] = number_of
    pictures = {name: base64.b64encode(encoded(one)).decode() for name, one in findings.thumbnails.items()}
    return environment.from_string(_PAGE).render(name=name, f=findings, pictures=pictures)

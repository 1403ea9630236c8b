/**
 * Queue grey, fetch blue, run green, upload violet, failed red, cached light green, the client's own time empty; each with a word beside it. All
 * text has WCAG AA contrast, in light and dark mode.
 */
export const style = `
:root {
  --back: #fff; --text: #1a1a1a; --soft: #595959; --line: #d8d8d8; --link: #0b57a8; --shade: #f4f4f4;
  --queue: #8a8a8a; --fetch: #2f6fd0; --run: #2e8540; --upload: #7a4fc9; --failed: #b3261e; --cached: #8fd19e;
  --red: #b3261e; --green: #1e6b30; --yellow: #745600; --blue: #0b57a8; --magenta: #8a2b8f; --cyan: #005f6e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #17181a; --text: #e8e8e8; --soft: #b0b0b0; --line: #3a3c40; --link: #8ab8f5; --shade: #222427;
    --queue: #8a8a8a; --fetch: #5b93e6; --run: #4fae62; --upload: #a487e6; --failed: #f2857c; --cached: #3d7a4b;
    --red: #f2857c; --green: #6fce83; --yellow: #e0c060; --blue: #8ab8f5; --magenta: #dc9be0; --cyan: #6fd0dc;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 1100px; margin: 0 auto; padding: 0 16px; }
header nav { margin-right: auto; }
header { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; justify-content: space-between;
  padding-top: 10px; padding-bottom: 10px; border-bottom: 1px solid var(--line); }
nav a { display: inline-block; margin-right: 16px; padding: 2px 0; }
nav a[aria-current] { font-weight: 600; text-decoration-thickness: 2px; }
#live { min-width: 2.5em; margin: 0; color: var(--soft); font-size: 13px; }
html:not([data-scripted]) #live, body:not([data-live]) #live { display: none; }
[data-scripted] .unscripted { display: none; }
.name { font-weight: 600; }
form label { position: absolute; left: -9999px; }
form label.shown { position: static; }
.inline { margin: 10px 0; }
input, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--soft); border-radius: 3px;
  padding: 3px 8px; max-width: 100%; }
input { width: 280px; }
a { color: var(--link); }
a:focus-visible, input:focus-visible, button:focus-visible, summary:focus-visible, .wide:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -9999px; }
main:focus { outline: none; }
.skip:focus { left: 16px; top: 8px; background: var(--back); padding: 4px; }
h1 { font-size: 20px; margin: 20px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 28px 0 8px; }
h3 { font-size: 14px; margin: 14px 0 4px; }
p { margin: 6px 0; max-width: 80ch; }
.lead { font-size: 17px; }
.soft, .facts dt { color: var(--soft); }
code, pre, .mono { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--shade); padding: 10px; overflow-x: auto; white-space: pre-wrap; }
.wide { overflow-x: auto; }
a.mono, span.mono, .wide time { white-space: nowrap; }
.wide td.mono { min-width: 22ch; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); white-space: nowrap; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th button { border: 0; padding: 0; font-weight: 600; color: inherit; background: none; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
.copy { font: 12px/1.4 system-ui, sans-serif; padding: 1px 6px; color: var(--soft); cursor: pointer; }
pre + .copy { display: block; margin-top: -6px; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.failed { color: var(--failed); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.bar { display: flex; height: 14px; margin: 6px 0; background: var(--shade); }
.legend span { margin-right: 18px; white-space: nowrap; }
.legend i { display: inline-block; width: 10px; height: 10px; margin-right: 5px; }
.queue { background: var(--queue); fill: var(--queue); } .fetch { background: var(--fetch); fill: var(--fetch); }
.run { background: var(--run); fill: var(--run); } .upload { background: var(--upload); fill: var(--upload); }
.legend .client { border: 1px solid var(--soft); } rect.client { fill: var(--shade); }
svg { display: block; width: 100%; }
.cached { background: var(--cached); fill: var(--cached); }
.wide svg.rate { display: inline-block; width: 60px; min-width: 0; height: 8px; background: var(--shade); }
canvas { display: block; width: 100%; touch-action: pan-y; }
.tools { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; max-width: none; }
.tip { min-height: 1.5em; overflow-wrap: anywhere; }
.t-bold { font-weight: 700; } .t-red { color: var(--red); } .t-green { color: var(--green); } .t-yellow { color: var(--yellow); }
.t-blue { color: var(--blue); } .t-magenta { color: var(--magenta); } .t-cyan { color: var(--cyan); }
.wide svg { min-width: 600px; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; }
summary { cursor: pointer; }
.skip-rows { margin-top: 12px; }
@media print { header, .after, .tools, .tip, .copy, .inline, #timeline-list { display: none; } }
`

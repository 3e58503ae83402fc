"""How the HTML of a report looks."""

# A notebook may be light or dark and does not say which in a way that all agree on: the fragment takes its text colour
# and its background from what surrounds it, and adds translucent tints only. Blue and orange are told apart by
# everyone, and nothing is said by colour alone. JupyterLab floats every `dt` and `dd` at a width of its own.
FRAGMENT = """
.jaxmlp { max-width: 60em; line-height: 1.5; overflow-wrap: anywhere; text-align: left; }
.jaxmlp:lang(ko) { word-break: keep-all; }
.jaxmlp h2, .jaxmlp h3 { line-height: 1.3; color: inherit; }
.jaxmlp h2 { margin: 0 0 1em; padding: .6em .8em; font-size: 1.15em; border-left: .35em solid #888;
  background: rgba(128, 128, 128, .12); }
.jaxmlp h2.right { border-color: #2b83ba; }
.jaxmlp h2.wrong { border-color: #d95f0e; }
.jaxmlp h3 { margin: 1.2em 0 .4em; font-size: 1em; }
.jaxmlp section h3 { margin-top: 0; }
.jaxmlp p { margin: .4em 0; }
.jaxmlp section { margin: 0 0 1em; padding: .8em; border: 1px solid rgba(128, 128, 128, .4); border-radius: .4em; }
.jaxmlp code, .jaxmlp pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .92em;
  color: inherit; background: none; padding: 0; }
.jaxmlp p code, .jaxmlp dd code { background: rgba(128, 128, 128, .15); padding: 0 .2em; border-radius: .2em; }
.jaxmlp figure { margin: .6em 0; }
.jaxmlp figcaption { font-size: .9em; }
.jaxmlp pre { margin: .2em 0; padding: .5em 0; overflow-x: auto; white-space: pre; line-height: 1.45;
  background: rgba(128, 128, 128, .1); border-radius: .3em; }
.jaxmlp pre mark { display: inline-block; min-width: 100%; color: inherit; font-weight: 600;
  background: rgba(230, 110, 20, .25); box-shadow: inset .25em 0 #d95f0e; }
.jaxmlp dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em; margin: .6em 0 0; }
.jaxmlp dt, .jaxmlp dd { margin: 0; float: none; width: auto; }
.jaxmlp dt { font-weight: 600; }
.jaxmlp .wide { overflow-x: auto; }
.jaxmlp table { border-collapse: collapse; margin: .4em 0; color: inherit; font-size: .92em; }
.jaxmlp th, .jaxmlp td { padding: .25em .7em; text-align: left; white-space: nowrap; background: none;
  border: 0; border-bottom: 1px solid rgba(128, 128, 128, .3); }
.jaxmlp tbody th { font-weight: 400; }
.jaxmlp tr.wrong > * { background: rgba(230, 110, 20, .16); font-weight: 600; }
.jaxmlp details { margin: .6em 0; }
.jaxmlp summary { cursor: pointer; padding: .3em 0; }
.jaxmlp .key { display: flex; flex-wrap: wrap; gap: .2em 1em; padding: 0; margin: .4em 0; list-style: none; }
.jaxmlp .key svg { vertical-align: -.15em; }
.jaxmlp .maps { display: flex; flex-wrap: wrap; gap: .4em 1.5em; }
.jaxmlp .maps figure { max-width: 100%; }
.jaxmlp .maps figcaption { max-width: 22em; }
"""

PAGE = """
:root { color-scheme: light dark; }
body { margin: 0; background: #fff; color: #1b1f24; font-size: 1rem;
  font-family: system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #e4e6e9; } }
"""

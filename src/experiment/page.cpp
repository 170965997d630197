// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/page.h"

#include <fmt/format.h>

#include "experiment/markup.h"

namespace jang::experiment {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6676; --page: #ffffff; --panel: #f5f7fa; --grid: #dfe4ea; --frame: #98a2b0;
  --auto: #0b6e4f; --jang: #2457c5; --base: #8a5a00; --gguf: #8d3a8f;
  --source: #55606e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a3adba; --page: #12161c; --panel: #1a2029; --grid: #2b333e;
  --frame: #667180; --auto: #4cd4a4; --jang: #86abff; --base: #f0b44c; --gguf: #e08be2;
  --source: #b4bdc9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, li { color: var(--soft); } ul { padding-left: 1.2rem; margin: .4rem 0; }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: .8rem; overflow-x: auto; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; }
svg { display: block; width: 100%; min-width: 34rem; height: auto; } svg text { font-size: 12.5px; fill: var(--ink); }
.scroll { overflow-x: auto; margin-top: .8rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .55rem; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
tr.front td:first-child::after { content: " \2605"; color: var(--soft); }
.grid { stroke: var(--grid); } .frame { stroke: var(--frame); } svg text.tick { fill: var(--soft); font-size: 11.5px; }
svg text.label { fill: var(--soft); } svg text.name { font-weight: 600; } svg text.cell { fill: #10151b; font-size: 10.5px; }
.frontier { fill: none; stroke: var(--frame); stroke-width: 1.5; stroke-dasharray: 5 4; }
.chance { stroke: var(--frame); stroke-dasharray: 3 3; stroke-width: 1.5; } .whisker, .mark { stroke-width: 1.7; } .mark { stroke-width: 3; }
.auto { stroke: var(--auto); } .jang { stroke: var(--jang); } .base { stroke: var(--base); } .gguf { stroke: var(--gguf); }
.source { stroke: var(--source); }
.dot.auto { fill: var(--auto); } .dot.jang { fill: var(--jang); } .dot.base { fill: var(--base); }
.dot.gguf { fill: var(--gguf); } .dot.source { fill: var(--source); }
.ring { fill: var(--panel); stroke-width: 2; } svg text.auto, svg text.jang, svg text.base, svg text.gguf, svg text.source { stroke: none; }
svg text.auto { fill: var(--auto); } svg text.jang { fill: var(--jang); } svg text.base { fill: var(--base); }
svg text.gguf { fill: var(--gguf); } svg text.source { fill: var(--source); }
.key { font-weight: 600; } .key.auto { color: var(--auto); } .key.jang { color: var(--jang); } .key.base { color: var(--base); }
.key.gguf { color: var(--gguf); }
.b2 { fill: #f7c6bd; } .b3 { fill: #f9dcae; } .b4 { fill: #f1ecb0; } .b5 { fill: #d2eab4; } .b6 { fill: #b0e0c0; } .b7 { fill: #a9dcd6; }
.b8 { fill: #a8cdea; } .b9 { fill: #c5bfe8; }
.bar { fill: var(--jang); }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
)css";

}  // namespace

std::string_view page_style() { return kStyle; }

std::string page_begin(std::string_view title, const std::vector<std::string>& facts) {
  const std::string name = escape_markup(title);
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  out += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n<ul>\n", name, kStyle, name);
  for (const std::string& fact : facts) out += fmt::format("<li>{}</li>\n", escape_markup(fact));
  return out + "</ul>\n";
}

std::string page_end() { return "</body>\n</html>\n"; }

std::string table(const Cells& header, const std::vector<Cells>& rows, const std::vector<bool>& marked) {
  std::string out = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const std::string& cell : header) out += "<th scope=\"col\">" + escape_markup(cell) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += r < marked.size() && marked[r] ? "<tr class=\"front\">" : "<tr>";
    for (const std::string& cell : rows[r]) out += "<td>" + escape_markup(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string figure(const std::string& svg, std::string_view caption_html) {
  return fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", svg, caption_html);
}

}  // namespace jang::experiment

// SPDX-License-Identifier: Apache-2.0
// `jang repair`: config.json says of every packed module what its tensors are.
#include "cli/repair.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "jang/repair.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMostShown = 12;  // modules of the text; --json has all

std::string repair_text(const RepairReport& done, const std::string& source) {
  std::string out = fmt::format("{}: wrote {}\n", printable(source), printable(done.output));
  out += fmt::format("  modules      {} packed, {} of which config.json said something else\n", done.n_modules, done.changed.size());
  for (std::size_t i = 0; i < std::min(kMostShown, done.changed.size()); ++i) {
    const RepairedModule& m = done.changed[i];
    out += fmt::format("    {}: {} bits, group {} by {}; it said {}\n", printable(m.module), m.bits, m.group_size, m.by, m.said);
  }
  if (done.changed.size() > kMostShown) out += fmt::format("    and {} more (--json lists them)\n", done.changed.size() - kMostShown);
  if (!done.removed.empty())
    out += fmt::format("  removed      {} entries that name no module, such as {}\n", done.removed.size(), printable(done.removed.front()));
  return out + fmt::format("  files        {}; {} linked, {} copied\n", format_bytes(done.file_bytes), done.n_linked, done.n_copied);
}

std::string repair_document(const RepairReport& done) {
  Json v = new_document();
  v["output"] = done.output;
  v["modules"] = done.n_modules;
  Json rows = Json::array();
  for (const RepairedModule& m : done.changed) {
    Json row = Json::object();
    row["module"] = m.module;
    row["bits"] = m.bits;
    row["group_size"] = m.group_size;
    row["said"] = m.said;
    row["by"] = m.by;
    rows.push_back(std::move(row));
  }
  v["changed"] = std::move(rows);
  v["removed"] = done.removed;
  v["linked"] = done.n_linked;
  v["copied"] = done.n_copied;
  v["file_bytes"] = done.file_bytes;
  v["left"] = done.left;
  return dump(v, 2) + "\n";
}

}  // namespace

int run_repair(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string source = arguments.value("DIR");
  const Result<RepairReport> done = repair_model(source, arguments.value("--output"), arguments.has("--force"));
  if (!done.ok()) return fail(fmt::format("cannot repair {}", source), "repair", done.status(), surroundings.stderr_color);
  for (const std::string& why : done->left)
    print_message(fmt::format("{}not copied: {}\n", styled("warning: ", Style::yellow, surroundings.stderr_color), printable(why)));
  return finish(arguments.has("--json") ? repair_document(*done) : repair_text(*done, source), surroundings);
}

}  // namespace jang::cli

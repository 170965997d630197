// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/inspect_gguf.h"

#include "jang/gguf.h"

#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string gguf_text(const GgufInspection& found, bool list) {
  std::string out = fmt::format("{}: GGUF version {}\n", printable(found.path), found.version);
  out += fmt::format("  tensors      {}\n  weights      {}\n", found.tensors.size(), format_count(found.params));
  out += fmt::format("  tensor data  {}\n  file         {}\n", format_bytes_both(found.tensor_bytes), format_bytes_both(found.file_bytes));
  out += fmt::format("  stored bits  {:.3f} per weight\n\n", found.stored_bits);
  struct Sum {
    std::uint64_t tensors = 0, params = 0, bytes = 0;
  };
  std::map<std::string, Sum> types;
  for (const GgufTensorReport& t : found.tensors) {
    Sum& sum = types[t.type];
    ++sum.tensors;
    sum.params += t.params;
    sum.bytes += t.bytes;
  }
  out += fmt::format("  {:<8} {:>8} {:>12} {:>12}\n", "type", "tensors", "weights", "bytes");
  for (const auto& [type, sum] : types)
    out += fmt::format("  {:<8} {:>8} {:>12} {:>12}\n", type, sum.tensors, format_count(sum.params), format_bytes(sum.bytes));
  out += "\n";
  for (const auto& [key, value] : found.metadata) out += fmt::format("  {} = {}\n", printable(key), printable(value.substr(0, 200)));
  if (!list) return out;
  out += "\n";
  for (const GgufTensorReport& t : found.tensors)
    out += fmt::format("  {:<8} {:>12}  {} [{}]\n", t.type, format_bytes(t.bytes), printable(t.name), fmt::join(t.shape, ", "));
  return out;
}

std::string gguf_document(const GgufInspection& found) {
  Json v = new_document();
  v["path"] = found.path;
  v["gguf_version"] = found.version;
  v["params"] = found.params;
  v["tensor_bytes"] = found.tensor_bytes;
  v["file_bytes"] = found.file_bytes;
  v["stored_bits"] = found.stored_bits;
  v["metadata"] = Json::object();
  for (const auto& [key, value] : found.metadata) v["metadata"][key] = value;
  v["tensors"] = Json::array();
  for (const GgufTensorReport& t : found.tensors)
    v["tensors"].push_back({{"name", t.name}, {"type", t.type}, {"shape", t.shape}, {"params", t.params}, {"bytes", t.bytes}});
  return dump(v, 2) + "\n";
}

}  // namespace

int run_inspect_gguf(const std::string& path, const Arguments& arguments, const Surroundings& surroundings) {
  const Result<GgufInspection> found = inspect_gguf(path);
  if (!found.ok())
    return fail(fmt::format("cannot inspect {}", path), "inspect", as_input_failure(found.status()), surroundings.stderr_color);
  return finish(arguments.has("--json") ? gguf_document(*found) : gguf_text(*found, arguments.has("--tensors")), surroundings);
}

}  // namespace jang::cli

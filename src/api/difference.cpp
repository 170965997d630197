// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/difference.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "api/access.h"
#include "base/file.h"
#include "format/targets/side_files.h"
#include "format/targets/target.h"
#include "json/json.h"
#include "quantize/compare_sources.h"

namespace jang {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{256} << 20;

Result<quantize::Source> open_side(const std::string& name, const RunOptions& run) {
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  Result<quantize::Source> source = quantize::open_source(directory, {.lenient = run.lenient});
  if (!source.ok()) return as_input_failure(source.status());
  return source;
}

// Where one of the two has a file that cannot be taken along, as a link out of its directory, it does not count.
Result<std::vector<FileChange>> compare_files(const quantize::Source& first, const quantize::Source& second) {
  JANG_ASSIGN(const targets::SideFiles a, targets::find_side_files(first.checkpoint.path(), *first.target));
  JANG_ASSIGN(const targets::SideFiles b, targets::find_side_files(second.checkpoint.path(), *second.target));
  std::set<std::string> names(a.names.begin(), a.names.end());
  names.insert(b.names.begin(), b.names.end());
  std::vector<FileChange> changes;
  for (const std::string& name : names) {
    const bool in_first = std::ranges::find(a.names, name) != a.names.end(), in_second = std::ranges::find(b.names, name) != b.names.end();
    if (in_first && in_second) {
      JANG_ASSIGN(const std::string x, read_text(first.checkpoint.path() + "/" + name, kMostFileBytes));
      JANG_ASSIGN(const std::string y, read_text(second.checkpoint.path() + "/" + name, kMostFileBytes));
      if (x == y) continue;
    }
    changes.push_back({name, in_first, in_second});
  }
  return changes;
}

TensorStorage storage_of(const quantize::StoredSide& side) {
  return {{side.shape.begin(), side.shape.end()}, side.bits, side.group_size, side.bytes};
}

json::Value storage_json(const TensorStorage& s) {
  return {{"shape", s.shape}, {"bits", s.bits}, {"group_size", s.group_size}, {"bytes", s.bytes}};
}

json::Value number_or_null(const std::optional<double>& x) { return x && std::isfinite(*x) ? json::Value(*x) : json::Value(nullptr); }

json::Value parsed_or_null(const std::string& text) {
  const auto value =
      text.empty() ? Result<json::Value>(json::Value(nullptr)) : json::parse(text, "config", {.dialect = json::Dialect::python});
  return value.ok() ? *value : json::Value(text);
}

}  // namespace

bool ModelDifference::same() const {
  return config.empty() && files.empty() && only_first.empty() && only_second.empty() && std::ranges::all_of(tensors, &TensorChange::same);
}

Result<ModelDifference> compare_models(const std::string& first, const std::string& second, bool values, const RunOptions& run) {
  JANG_ASSIGN(const quantize::Source a, open_side(first, run));
  JANG_ASSIGN(const quantize::Source b, open_side(second, run));
  JANG_ASSIGN(quantize::SourceDifference found, quantize::compare_sources(a, b, values, quantize_options(run)));
  ModelDifference difference;
  difference.first = a.checkpoint.path();
  difference.second = b.checkpoint.path();
  difference.first_bytes = a.checkpoint.file_bytes();
  difference.second_bytes = b.checkpoint.file_bytes();
  for (quantize::ConfigDifference& c : found.config)
    difference.config.push_back({std::move(c.key), std::move(c.first), std::move(c.second)});
  JANG_ASSIGN(difference.files, compare_files(a, b));
  difference.only_first = std::move(found.only_first);
  difference.only_second = std::move(found.only_second);
  for (const quantize::TensorDifference& t : found.tensors)
    difference.tensors.push_back({t.name, t.role, storage_of(t.first), storage_of(t.second), t.error, t.largest, t.same()});
  difference.values = values;
  return difference;
}

std::string to_json(const ModelDifference& d) {
  json::Value v = {{"first", d.first},
                   {"second", d.second},
                   {"same", d.same()},
                   {"values_compared", d.values},
                   {"first_file_bytes", d.first_bytes},
                   {"second_file_bytes", d.second_bytes},
                   {"config", json::Value::array()},
                   {"files", json::Value::array()},
                   {"only_first", d.only_first},
                   {"only_second", d.only_second},
                   {"tensors", json::Value::array()}};
  for (const ConfigChange& c : d.config)
    v["config"].push_back({{"key", c.key}, {"first", parsed_or_null(c.first)}, {"second", parsed_or_null(c.second)}});
  for (const FileChange& f : d.files) v["files"].push_back({{"name", f.name}, {"in_first", f.in_first}, {"in_second", f.in_second}});
  for (const TensorChange& t : d.tensors)
    v["tensors"].push_back({{"name", t.name},
                            {"role", t.role},
                            {"same", t.same},
                            {"first", storage_json(t.first)},
                            {"second", storage_json(t.second)},
                            {"error", number_or_null(t.error)},
                            {"largest", number_or_null(t.largest)}});
  return json::dump(v, 2);
}

}  // namespace jang

// SPDX-License-Identifier: Apache-2.0
// Tensors are matched by the names that the target gives them. Values are compared in parts of equal size on all threads; sums are added in
// the order of the parts, so the threads decide nothing.
#include "quantize/compare_sources.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <string_view>

#include "base/thread_pool.h"
#include "format/targets/packed_module.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kPartElements = std::int64_t{1} << 20;

void compare_config(const std::string& key, const json::Value* a, const json::Value* b, std::vector<ConfigDifference>* found) {
  if (a != nullptr && b != nullptr && a->is_object() && b->is_object()) {
    const std::string prefix = key.empty() ? "" : key + ".";
    for (const auto& [name, value] : a->items()) {
      const auto other = b->find(name);
      compare_config(prefix + name, &value, other == b->end() ? nullptr : &*other, found);
    }
    for (const auto& [name, value] : b->items())
      if (!a->contains(name)) compare_config(prefix + name, nullptr, &value, found);
    return;
  }
  if (a != nullptr && b != nullptr && *a == *b) return;
  found->push_back({key, a != nullptr ? json::dump_for_python(*a) : "", b != nullptr ? json::dump_for_python(*b) : ""});
}

StoredSide side_of(const Source& source, const arch::OutTensor& t) {
  StoredSide side{t.shape, 0, 0, 0};
  double bytes = 0;
  for (const arch::Piece& piece : t.pieces) {
    const format::StoredTensor& stored = source.checkpoint.tensors()[static_cast<std::size_t>(piece.source)];
    const format::PackedModule* packed = stored.made != nullptr ? stored.made->packed() : nullptr;
    const std::uint64_t whole = stored.made != nullptr ? stored.made->file_bytes() : static_cast<std::uint64_t>(stored.info.bytes());
    const std::int64_t n = elements(stored.info.shape);
    const double share = static_cast<double>(piece.n_rows) / static_cast<double>(std::max<std::int64_t>(rows(stored.info.shape), 1));
    bytes += static_cast<double>(whole) * share;
    side.bits = packed != nullptr        ? packed->format().bits
                : stored.made == nullptr ? 8 * size_bytes(stored.info.dtype)
                                         : static_cast<int>(8 * whole / static_cast<std::uint64_t>(std::max<std::int64_t>(n, 1)));
    side.group_size = packed != nullptr ? packed->format().group_size : 0;
  }
  side.bytes = static_cast<std::uint64_t>(std::llround(bytes));
  return side;
}

// A stretch of elements of a tensor that both have.
struct Part {
  std::size_t row = 0;  // index into the differences
  std::int64_t begin = 0, n = 0;
  double difference = 0, norm = 0, largest = 0;
};

struct Pair {
  const arch::OutTensor *first, *second;
};

class ValueComparer {
 public:
  ValueComparer(const Source& first, const Source& second, const std::vector<Pair>& pairs)
      : first_(first), second_(second), pairs_(pairs) {}

  Status compare(Part* part) const {
    const Pair& pair = pairs_[part->row];
    if (!info(pair.first->source_dtype).is_float || !info(pair.second->source_dtype).is_float) return compare_bytes(part);
    std::vector<float> a(static_cast<std::size_t>(part->n)), b(static_cast<std::size_t>(part->n));
    std::vector<std::byte> scratch;
    JANG_TRY(SourceRows(first_.checkpoint, *pair.first).read_floats(part->begin, a, scratch));
    JANG_TRY(SourceRows(second_.checkpoint, *pair.second).read_floats(part->begin, b, scratch));
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double x = static_cast<double>(a[i]) + static_cast<double>(pair.first->add);
      const double d = x - static_cast<double>(b[i]) - static_cast<double>(pair.second->add);
      part->difference += d * d;
      part->norm += x * x;
      part->largest = std::max(part->largest, std::abs(d));
    }
    return {};
  }

 private:
  // Integers are equal or not; a difference counts as one.
  Status compare_bytes(Part* part) const {
    const Pair& pair = pairs_[part->row];
    const bool alike = pair.first->source_dtype == pair.second->source_dtype;
    std::vector<std::byte> a(static_cast<std::size_t>(part->n * size_bytes(pair.first->source_dtype)));
    std::vector<std::byte> b(static_cast<std::size_t>(part->n * size_bytes(pair.second->source_dtype)));
    JANG_TRY(SourceRows(first_.checkpoint, *pair.first).read_bytes(part->begin, a));
    JANG_TRY(SourceRows(second_.checkpoint, *pair.second).read_bytes(part->begin, b));
    part->norm = 1;
    if (!alike || a != b) part->difference = part->largest = 1;
    return {};
  }

  const Source &first_, &second_;
  const std::vector<Pair>& pairs_;
};

Status compare_values(const Source& first, const Source& second, const std::vector<Pair>& pairs, const RunOptions& run,
                      std::vector<TensorDifference>* differences) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].first->shape != pairs[i].second->shape) continue;
    (*differences)[i].error = (*differences)[i].largest = 0;
    const std::int64_t n = elements(pairs[i].first->shape);
    for (std::int64_t at = 0; at < n; at += kPartElements) parts.push_back({i, at, std::min(kPartElements, n - at)});
  }
  const ValueComparer comparer(first, second, pairs);
  ThreadPool pool(run.n_threads > 0 ? run.n_threads : available_threads());
  std::mutex mutex;
  Status failure;
  std::int64_t failed_at = std::numeric_limits<std::int64_t>::max();
  pool.run(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i, int /*thread*/) {
    const bool stop = run.cancel != nullptr && run.cancel->load(std::memory_order_relaxed);
    Status done = stop ? Status(StatusCode::cancelled, "comparing stopped") : comparer.compare(&parts[static_cast<std::size_t>(i)]);
    if (done.ok()) return;
    const std::lock_guard lock(mutex);
    if (i >= failed_at) return;
    failed_at = i;
    failure = std::move(done);
  });
  JANG_TRY(failure);
  std::vector<double> norms(differences->size(), 0);
  for (const Part& part : parts) {
    TensorDifference& d = (*differences)[part.row];
    *d.error += part.difference;
    *d.largest = std::max(*d.largest, part.largest);
    norms[part.row] += part.norm;
  }
  for (std::size_t i = 0; i < differences->size(); ++i) {
    std::optional<double>& error = (*differences)[i].error;
    if (error && *error > 0) error = norms[i] > 0 ? *error / norms[i] : std::numeric_limits<double>::infinity();
  }
  return {};
}

}  // namespace

Result<SourceDifference> compare_sources(const Source& first, const Source& second, bool values, const RunOptions& run) {
  SourceDifference found;
  compare_config("", &first.model.config, &second.model.config, &found.config);
  std::map<std::string_view, const arch::OutTensor*> others;
  for (const arch::OutTensor& t : second.model.tensors) others.emplace(t.name, &t);
  std::vector<Pair> pairs;
  for (const arch::OutTensor& t : first.model.tensors) {
    const auto other = others.find(t.name);
    if (other == others.end()) {
      found.only_first.push_back(t.name);
      continue;
    }
    pairs.push_back({&t, other->second});
    found.tensors.push_back(
        {t.name, std::string(arch::to_string(t.role)), side_of(first, t), side_of(second, *other->second), std::nullopt, std::nullopt});
    others.erase(other);
  }
  for (const arch::OutTensor& t : second.model.tensors)
    if (others.contains(t.name)) found.only_second.push_back(t.name);
  if (values) JANG_TRY(compare_values(first, second, pairs, run, &found.tensors));
  return found;
}

}  // namespace jang::quantize

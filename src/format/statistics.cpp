// SPDX-License-Identifier: Apache-2.0
// Reading, writing and merging of stats.safetensors (layout in statistics.h).
#include "format/statistics.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <xxhash.h>

#include "codec/affine.h"
#include "format/safetensors.h"
#include "json/json.h"

namespace jang::format {
namespace {

constexpr std::string_view kMeanSquare = ".mean_square", kTokens = ".tokens", kSensitivity = ".sensitivity", kText = "text.tokens";
constexpr std::string_view kFisherRows = ".fisher_rows", kFisherColumns = ".fisher_columns";
constexpr std::string_view kVersion = "1";
constexpr std::int64_t kPointColumns = 4;
constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 30;

template <typename T>
std::vector<T> values_of(std::string_view bytes, const SafetensorsEntry& e) {
  std::vector<T> out(static_cast<std::size_t>(elements(e.info.shape)));
  if (!out.empty()) std::memcpy(out.data(), bytes.data() + e.offset_bytes, out.size() * sizeof(T));
  return out;
}

Status bad(std::string_view what, std::string_view tensor, std::string_view why) {
  return {StatusCode::corrupt, fmt::format("{}: tensor '{}' {}", what, tensor, why)};
}

Status read_inputs(std::string_view bytes, std::string_view what, const std::map<std::string, const SafetensorsEntry*>& by_name,
                   const SafetensorsEntry& e, Statistics* out) {
  const std::string module = e.info.name.substr(0, e.info.name.size() - kMeanSquare.size());
  const auto tokens = by_name.find(module + std::string(kTokens));
  const Shape& shape = e.info.shape;
  if (e.info.dtype != DType::f32 || shape.empty() || shape.size() > 2) return bad(what, e.info.name, "must be F32 of rank 1 or 2");
  if (tokens == by_name.end() || tokens->second->info.dtype != DType::i64) return bad(what, e.info.name, "has no I64 '.tokens' beside it");
  const std::int64_t n = shape.size() == 2 ? shape[0] : 1;
  if (tokens->second->info.shape != Shape{n} || n < 1 || shape.back() < 1) return bad(what, e.info.name, "and its '.tokens' disagree");
  InputStatistics s{values_of<float>(bytes, e), values_of<std::int64_t>(bytes, *tokens->second)};
  if (!std::ranges::all_of(s.mean_square, [](float v) { return std::isfinite(v) && v >= 0; }))
    return bad(what, e.info.name, "holds a value that is not a finite number >= 0");
  if (!std::ranges::all_of(s.tokens, [](std::int64_t v) { return v >= 0 && v < (std::int64_t{1} << 53); }))
    return bad(what, tokens->first, "holds a count out of range");
  out->inputs.emplace(module, std::move(s));
  return {};
}

// The pair of one module, from its rows.
Status read_fisher(std::string_view bytes, std::string_view what, const std::map<std::string, const SafetensorsEntry*>& by_name,
                   const SafetensorsEntry& e, Statistics* out) {
  const std::string module = e.info.name.substr(0, e.info.name.size() - kFisherRows.size());
  const auto columns = by_name.find(module + std::string(kFisherColumns));
  if (columns == by_name.end()) return bad(what, e.info.name, "has no '.fisher_columns' beside it");
  const Shape& a = e.info.shape;
  const Shape& b = columns->second->info.shape;
  if (e.info.dtype != DType::f32 || columns->second->info.dtype != DType::f32 || a.empty() || a.size() > 2 || a.size() != b.size() ||
      (a.size() == 2 && a[0] != b[0]) || elements(a) < 1 || elements(b) < 1)
    return bad(what, e.info.name, "and its '.fisher_columns' must be F32 of rank 1 or 2, of as many experts");
  FisherStatistics s{a.size() == 2 ? a[0] : 1, values_of<float>(bytes, e), values_of<float>(bytes, *columns->second)};
  for (const std::vector<float>* values : {&s.rows, &s.columns})
    if (!std::ranges::all_of(*values, [](float v) { return std::isfinite(v) && v >= 0; }))
      return bad(what, e.info.name, "or its '.fisher_columns' holds a value that is not a finite number >= 0");
  out->fisher.emplace(module, std::move(s));
  return {};
}

Status read_sensitivity(std::string_view bytes, std::string_view what, const SafetensorsEntry& e, Statistics* out) {
  if (e.info.dtype != DType::f32 || e.info.shape.size() != 2 || e.info.shape[1] != kPointColumns)
    return bad(what, e.info.name, "must be F32 [n, 4]");
  const std::vector<float> v = values_of<float>(bytes, e);
  std::vector<SensitivityPoint> points;
  for (std::size_t i = 0; i + 3 < v.size(); i += 4) {
    if (!std::ranges::all_of(v.begin() + static_cast<std::ptrdiff_t>(i), v.begin() + static_cast<std::ptrdiff_t>(i) + 4,
                             [](float x) { return std::isfinite(x); }))
      return bad(what, e.info.name, "holds a value that is not finite");
    const bool widths =
        v[i] == std::floor(v[i]) && v[i + 1] == std::floor(v[i + 1]) && v[i] > 0 && v[i] < 32 && v[i + 1] > 0 && v[i + 1] < 1024;
    if (!widths || !codec::is_width(static_cast<int>(v[i])) || !codec::is_group(static_cast<int>(v[i + 1])) || v[i + 2] < 0 || v[i + 3] < 0)
      return bad(what, e.info.name, fmt::format("row {} is not {{bits, group size, error, divergence}}", i / 4));
    points.push_back({static_cast<int>(v[i]), static_cast<int>(v[i + 1]), v[i + 2], v[i + 3]});
  }
  const std::string unit = e.info.name.substr(0, e.info.name.size() - kSensitivity.size());
  out->sensitivities.emplace(unit, std::move(points));
  return {};
}

struct Blob {
  TensorInfo info;
  std::string bytes;
};

template <typename T>
Blob blob(std::string name, DType dtype, Shape shape, std::span<const T> values) {
  return {{std::move(name), dtype, std::move(shape)}, std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes())};
}

std::optional<std::int64_t> parse_count(const std::string& text) {
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace

std::string model_fingerprint(std::span<const TensorInfo> tensors) {
  std::vector<std::string> rows;
  for (const TensorInfo& t : tensors) rows.push_back(t.name + to_string(t.shape));
  std::ranges::sort(rows);
  std::string all;
  for (const std::string& row : rows) all += row + "\n";
  return fmt::format("{:016x}", XXH3_64bits(all.data(), all.size()));
}

Result<Statistics> parse_statistics(std::string_view bytes, std::string_view what) {
  std::uint64_t n = 0;
  if (bytes.size() < kLengthBytes)
    return Status(StatusCode::corrupt, fmt::format("{}: {} bytes are no safetensors file", what, bytes.size()));
  for (std::size_t i = 0; i < kLengthBytes; ++i) n |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  if (n > bytes.size() - kLengthBytes) return Status(StatusCode::corrupt, fmt::format("{}: the header is longer than the file", what));
  JANG_ASSIGN(const SafetensorsHeader header, parse_safetensors_header(bytes.substr(kLengthBytes, n), bytes.size(), what));
  if (!header.repeated.empty())  // our own files hold no key twice, and these keys decide what is done with the weights
    return Status(StatusCode::corrupt, fmt::format("{}: {} occurs twice in __metadata__", what, json::quote(header.repeated.front())));
  const auto metadata = [&](const char* key) {
    const auto at = header.metadata.find(key);
    return at == header.metadata.end() ? std::string() : at->second;
  };
  if (metadata("jang_statistics") != kVersion)
    return Status(StatusCode::unsupported,
                  fmt::format("{}: not a statistics file of version {} (`jang calibrate` writes one)", what, kVersion));
  Statistics out;
  out.model = metadata("model");
  out.text = metadata("text");
  out.settings = metadata("settings");
  out.method = metadata("method");
  const auto positions = parse_count(metadata("positions"));
  if (!positions) return Status(StatusCode::corrupt, fmt::format("{}: metadata 'positions' is not a number", what));
  out.positions = *positions;
  if (header.metadata.contains("measured_windows")) {
    const auto windows = parse_count(metadata("measured_windows"));
    if (!windows) return Status(StatusCode::corrupt, fmt::format("{}: metadata 'measured_windows' is not a number", what));
    out.measured_windows = *windows;
  }
  if (header.metadata.contains("fisher_positions")) {
    const auto scored = parse_count(metadata("fisher_positions"));
    if (!scored || *scored < 1) return Status(StatusCode::corrupt, fmt::format("{}: metadata 'fisher_positions' is not a number", what));
    out.fisher_positions = *scored;
  }

  std::map<std::string, const SafetensorsEntry*> by_name;
  for (const SafetensorsEntry& e : header.tensors) by_name[e.info.name] = &e;
  for (const auto& [name, e] : by_name) {
    if (name == kText) {
      if (e->info.dtype != DType::i32 || e->info.shape.size() != 2) return bad(what, name, "must be I32 [windows, length]");
      out.tokens = values_of<std::int32_t>(bytes, *e);
      out.window_length = e->info.shape[1];
      if (std::ranges::any_of(out.tokens, [](std::int32_t t) { return t < 0; })) return bad(what, name, "holds a negative id");
    } else if (name.ends_with(kMeanSquare)) {
      JANG_TRY(read_inputs(bytes, what, by_name, *e, &out));
    } else if (name.ends_with(kSensitivity)) {
      JANG_TRY(read_sensitivity(bytes, what, *e, &out));
    } else if (name.ends_with(kFisherRows)) {
      JANG_TRY(read_fisher(bytes, what, by_name, *e, &out));
    } else if (name.ends_with(kFisherColumns)) {
      if (!by_name.contains(name.substr(0, name.size() - kFisherColumns.size()) + std::string(kFisherRows)))
        return bad(what, name, "has no '.fisher_rows' beside it");
    } else if (!name.ends_with(kTokens)) {
      return bad(what, name, "has no meaning in a statistics file");
    }
  }
  if (out.fisher.empty() != (out.fisher_positions == 0))
    return Status(StatusCode::corrupt, fmt::format("{}: metadata 'fisher_positions' and the tensors '.fisher_rows' disagree", what));
  out.digest = fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
  return out;
}

Result<Statistics> read_statistics(const std::string& path) {
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  if (file.size() > kMaxBytes)
    return Status(StatusCode::corrupt, fmt::format("{}: {} bytes are too many for statistics", path, file.size()));
  std::string bytes(file.size(), '\0');
  JANG_TRY(file.read_at(0, std::as_writable_bytes(std::span(bytes))));
  return parse_statistics(bytes, path);
}

std::string serialize(const Statistics& s) {
  std::vector<Blob> blobs;
  for (const auto& [module, in] : s.inputs) {
    const auto n = static_cast<std::int64_t>(in.tokens.size());
    Shape shape = n == 1 ? Shape{in.in()} : Shape{n, in.in()};
    blobs.push_back(blob<float>(module + std::string(kMeanSquare), DType::f32, std::move(shape), in.mean_square));
    blobs.push_back(blob<std::int64_t>(module + std::string(kTokens), DType::i64, {n}, in.tokens));
  }
  for (const auto& [module, f] : s.fisher) {
    const auto shape = [&](std::int64_t size) { return f.n == 1 ? Shape{size} : Shape{f.n, size}; };
    blobs.push_back(blob<float>(module + std::string(kFisherRows), DType::f32, shape(f.out()), f.rows));
    blobs.push_back(blob<float>(module + std::string(kFisherColumns), DType::f32, shape(f.in()), f.columns));
  }
  for (const auto& [unit, points] : s.sensitivities) {
    std::vector<float> rows;
    for (const SensitivityPoint& p : points)
      rows.insert(rows.end(), {static_cast<float>(p.bits), static_cast<float>(p.group_size), static_cast<float>(p.error),
                               static_cast<float>(p.divergence)});
    blobs.push_back(
        blob<float>(unit + std::string(kSensitivity), DType::f32, {static_cast<std::int64_t>(points.size()), kPointColumns}, rows));
  }
  if (s.window_length > 0) {
    const auto windows = static_cast<std::int64_t>(s.tokens.size()) / s.window_length;
    blobs.push_back(blob<std::int32_t>(std::string(kText), DType::i32, {windows, s.window_length}, s.tokens));
  }
  // Widest elements first, so that no payload is misaligned.
  std::ranges::stable_sort(blobs, std::ranges::greater{}, [](const Blob& b) { return size_bytes(b.info.dtype); });
  std::vector<TensorInfo> infos;
  for (const Blob& b : blobs) infos.push_back(b.info);
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"format", "jang"},   {"jang_statistics", std::string(kVersion)}, {"model", s.model}, {"text", s.text}, {"settings", s.settings},
      {"method", s.method}, {"positions", std::to_string(s.positions)}};
  if (s.measured_windows > 0) metadata.emplace_back("measured_windows", std::to_string(s.measured_windows));
  if (!s.fisher.empty()) metadata.emplace_back("fisher_positions", std::to_string(s.fisher_positions));
  std::string out = make_safetensors_header(infos, metadata);
  for (const Blob& b : blobs) out += b.bytes;
  return out;
}

Status write_statistics(const Statistics& statistics, const std::string& path) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const std::string bytes = serialize(statistics);
  Status written = write_text(temporary, bytes);
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0)
    written = Status::write_error(fmt::format("cannot rename '{}' to '{}'", temporary, path));
  if (!written.ok()) std::remove(temporary.c_str());
  return written;
}

namespace {

Status merge_fisher(const Statistics& other, Statistics* into) {
  for (const auto& [module, f] : other.fisher) {
    const auto [at, is_new] = into->fisher.emplace(module, f);
    if (is_new) continue;
    FisherStatistics& sum = at->second;
    if (sum.n != f.n || sum.rows.size() != f.rows.size() || sum.columns.size() != f.columns.size())
      return {StatusCode::invalid_argument, fmt::format("module {} has other shapes in these statistics", module)};
    std::ranges::transform(sum.rows, f.rows, sum.rows.begin(), std::plus<>());
    std::ranges::transform(sum.columns, f.columns, sum.columns.begin(), std::plus<>());
  }
  into->fisher_positions += other.fisher_positions;
  return {};
}

}  // namespace

Status merge(const Statistics& other, Statistics* into) {
  if (other.model != into->model) return {StatusCode::invalid_argument, "these statistics are of another model"};
  if (other.method != into->method) return {StatusCode::invalid_argument, "these statistics were measured with another method"};
  for (const auto& [module, in] : other.inputs) {
    const auto [at, is_new] = into->inputs.emplace(module, in);
    if (is_new) continue;
    InputStatistics& sum = at->second;
    if (sum.tokens.size() != in.tokens.size() || sum.mean_square.size() != in.mean_square.size())
      return {StatusCode::invalid_argument, fmt::format("module {} has other shapes in these statistics", module)};
    for (std::size_t e = 0; e < in.tokens.size(); ++e) {
      const double a = static_cast<double>(sum.tokens[e]), b = static_cast<double>(in.tokens[e]);
      const auto n = static_cast<std::size_t>(in.in());
      for (std::size_t j = e * n; a + b > 0 && j < (e + 1) * n; ++j)
        sum.mean_square[j] = static_cast<float>((a * sum.mean_square[j] + b * in.mean_square[j]) / (a + b));
      sum.tokens[e] += in.tokens[e];
    }
  }
  JANG_TRY(merge_fisher(other, into));
  const double a = static_cast<double>(into->positions), b = static_cast<double>(other.positions);
  for (const auto& [unit, points] : other.sensitivities) {
    const auto [at, is_new] = into->sensitivities.emplace(unit, points);
    if (is_new) continue;
    for (const SensitivityPoint& p : points) {
      const auto same =
          std::ranges::find_if(at->second, [&](const SensitivityPoint& q) { return q.bits == p.bits && q.group_size == p.group_size; });
      if (same == at->second.end()) {
        at->second.push_back(p);
      } else if (a + b > 0) {
        same->divergence = (a * same->divergence + b * p.divergence) / (a + b);
        same->error = (a * same->error + b * p.error) / (a + b);
      }
    }
    std::ranges::sort(at->second, std::ranges::greater{}, &SensitivityPoint::error);
  }
  if (other.measured_windows > 0 && into->measured_windows == 0 && into->window_length > 0)
    into->measured_windows = static_cast<std::int64_t>(into->tokens.size()) / into->window_length;
  if (other.window_length == into->window_length) into->tokens.insert(into->tokens.end(), other.tokens.begin(), other.tokens.end());
  into->positions += other.positions;
  return {};
}

}  // namespace jang::format

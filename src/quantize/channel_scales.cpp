// SPDX-License-Identifier: Apache-2.0
// See the header for the formulas.
#include "quantize/channel_scales.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "arch/decoder_config.h"
#include "base/float16.h"
#include "kernels/params.h"
#include "plan/layout.h"
#include "plan/names.h"
#include "quantize/importance.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr double kChannelDamping = 1e-4;  // of the mean
constexpr double kFarthest = 1.25;        // of a norm's factor from s, either way

// s of one matrix's channels. All in double and rounded to 8 bits at the end, so that no library's pow decides about bytes.
void scales_of(std::span<const double> mean_square, std::span<const double> weights, Exponents e, std::span<float> out) {
  const auto mean_of = [](std::span<const double> values) {
    double mean = 0;
    for (const double v : values) mean += v / static_cast<double>(values.size());
    return mean;
  };
  const double mean = mean_of(mean_square), mean_weight = weights.empty() ? 0 : mean_of(weights);
  if (!(mean > 0) || (e.inputs == 0 && e.weights == 0) || (e.weights > 0 && !(mean_weight > 0))) {
    std::ranges::fill(out, 1.0f);
    return;
  }
  std::vector<double> raw(out.size());
  for (std::size_t c = 0; c < raw.size(); ++c) {
    raw[c] = std::pow(mean_square[c] + kChannelDamping * mean, e.inputs / 2);
    if (e.weights > 0) raw[c] /= std::pow(weights[c] + kChannelDamping * mean_weight, e.weights);
  }
  const auto [least, most] = std::ranges::minmax(raw);
  const double middle = std::sqrt(least * most);
  for (std::size_t c = 0; c < out.size(); ++c) out[c] = bf16_to_float(float_to_bf16(static_cast<float>(raw[c] / middle)));
}

// Divides the gains and makes the factors exactly what was divided by.
void fold_norm(std::span<const float> gains, float add, float offset, DType stored, GroupScales* scales) {
  scales->norm.resize(gains.size());
  for (std::size_t c = 0; c < gains.size(); ++c) {
    const double gain = static_cast<double>(gains[c]) + static_cast<double>(add) + static_cast<double>(offset);
    const float divided =
        kernels::round_param(stored, static_cast<float>(gain / static_cast<double>(scales->factors[c]) - static_cast<double>(offset)));
    const double factor = gain / (static_cast<double>(divided) + static_cast<double>(offset));
    const double off = factor / static_cast<double>(scales->factors[c]);
    const bool near = std::isfinite(off) && off < kFarthest && off > 1 / kFarthest;
    scales->norm[c] = near ? divided : kernels::round_param(stored, gains[c] + add);
    scales->factors[c] = near ? static_cast<float>(factor) : 1.0f;
  }
}

Status no_group(const arch::ScaleGroups& found, const std::string& name) {
  for (const arch::Dropped& row : found.left_out)
    if (row.name == name) return {StatusCode::invalid_argument, fmt::format("{} cannot be rescaled: {}", name, row.reason)};
  std::vector<std::string_view> names;
  for (const arch::ScaleGroup& group : found.groups) names.push_back(group.name);
  return {StatusCode::invalid_argument, fmt::format("the plan rescales the channels of {}, which this model does not have{}",
                                                    json::quote(name), plan::nearest_hint(name, names))};
}

}  // namespace

void TensorScales::apply(std::int64_t begin, std::span<float> v) const {
  std::int64_t row = begin / n_columns, column = begin % n_columns;
  for (std::size_t i = 0; i < v.size();) {
    const std::size_t n = std::min(v.size() - i, static_cast<std::size_t>(n_columns - column));
    if (const float* by = columns_of(row / rows_per_expert))
      for (std::size_t k = 0; k < n; ++k) v[i + k] *= by[static_cast<std::size_t>(column) + k];
    if (!rows.empty())
      for (std::size_t k = 0; k < n; ++k) v[i + k] *= rows[static_cast<std::size_t>(row)];
    i += n;
    ++row;
    column = 0;
  }
}

std::optional<GroupInputs> group_inputs(const arch::Model& model, const arch::ScaleGroup& group, const format::Statistics& statistics) {
  for (const int reader : group.readers) {
    const auto at = statistics.inputs.find(model.tensors[static_cast<std::size_t>(reader)].canonical);
    if (at == statistics.inputs.end()) continue;
    const format::InputStatistics& seen = at->second;
    const std::int64_t in = group.channels * group.repeat;
    // Experts that share their producer see parts of the text; a map that sees all of it tells of the channels.
    if (static_cast<std::int64_t>(seen.tokens.size()) != group.n || seen.in() != in) continue;
    GroupInputs out{std::vector<double>(static_cast<std::size_t>(group.n * group.channels), 0.0), seen.tokens};
    for (std::int64_t e = 0; e < group.n; ++e)
      for (std::int64_t c = 0; c < in; ++c)
        out.mean_square[static_cast<std::size_t>(e * group.channels + group.channel(c))] +=
            static_cast<double>(seen.mean_square[static_cast<std::size_t>(e * in + c)]) / static_cast<double>(group.repeat);
    return out;
  }
  return std::nullopt;
}

Result<std::vector<double>> weight_sizes(const Source& source, const plan::Plan& plan, const arch::ScaleGroup& group) {
  std::vector<double> sums(static_cast<std::size_t>(group.n * group.channels), 0.0), counts(sums.size(), 0.0);
  std::vector<std::byte> scratch;
  for (const int reader : group.readers) {
    if (plan.tensors[static_cast<std::size_t>(reader)].choice.bits == 0) continue;
    const arch::OutTensor& t = source.model.tensors[static_cast<std::size_t>(reader)];
    const std::int64_t in = columns(t.shape), n_rows = rows(t.shape), per_matrix = rows_per_expert(t.shape);
    const SourceRows source_rows(source.checkpoint, t);
    std::vector<float> row(static_cast<std::size_t>(in));
    for (std::int64_t r = 0; r < n_rows; ++r) {
      JANG_TRY(source_rows.read_floats(r * in, row, scratch));
      const std::int64_t first = group.n > 1 ? r / per_matrix * group.channels : 0;
      for (std::int64_t c = 0; c < in; ++c) {
        const auto at = static_cast<std::size_t>(first + group.channel(c));
        sums[at] += std::fabs(static_cast<double>(row[static_cast<std::size_t>(c)]));
        counts[at] += 1;
      }
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = counts[i] > 0 ? sums[i] / counts[i] : 0;
  return sums;
}

std::int64_t experts_left(const arch::ScaleGroup& group, const GroupInputs& inputs) {
  return group.n == 1 ? 0 : std::ranges::count_if(inputs.tokens, [](std::int64_t n) { return n < kLeastExpertInputs; });
}

GroupScales group_scales(const arch::Model& model, const arch::ScaleGroup& group, const GroupInputs& inputs, Exponents exponents,
                         std::span<const float> gains, float offset, DType stored) {
  GroupScales scales;
  const auto channels = static_cast<std::size_t>(group.channels);
  scales.factors.assign(static_cast<std::size_t>(group.n) * channels, 1.0f);
  for (std::size_t e = 0; e < static_cast<std::size_t>(group.n); ++e)
    if (group.n == 1 || inputs.tokens[e] >= kLeastExpertInputs)
      scales_of(std::span(inputs.mean_square).subspan(e * channels, channels),
                inputs.weights.empty() ? std::span<const double>() : std::span(inputs.weights).subspan(e * channels, channels), exponents,
                std::span(scales.factors).subspan(e * channels, channels));
  if (group.is_norm) fold_norm(gains, model.tensors[static_cast<std::size_t>(group.producer)].add, offset, stored, &scales);
  return scales;
}

Result<std::vector<float>> norm_weights(const Source& source, const arch::ScaleGroup& group) {
  std::vector<float> gains;
  if (!group.is_norm) return gains;
  std::vector<std::byte> scratch;
  gains.resize(static_cast<std::size_t>(group.channels));
  JANG_TRY(SourceRows(source.checkpoint, source.model.tensors[static_cast<std::size_t>(group.producer)]).read_floats(0, gains, scratch));
  return gains;
}

void ChannelScales::fold(const arch::Model& model, const arch::ScaleGroup& group, const GroupScales& scales) {
  by_tensor_.resize(model.tensors.size());
  const auto scales_of_tensor = [&](int i) -> TensorScales& {
    TensorScales& t = by_tensor_[static_cast<std::size_t>(i)];
    const Shape& shape = model.tensors[static_cast<std::size_t>(i)].shape;
    t.n_columns = columns(shape);
    t.rows_per_expert = rows_per_expert(shape);
    return t;
  };
  std::vector<float> inverse(scales.factors.size());
  std::ranges::transform(scales.factors, inverse.begin(), [](float s) { return 1 / s; });
  TensorScales& producer = scales_of_tensor(group.producer);
  if (group.is_norm)
    producer.values = scales.norm;
  else
    producer.rows = inverse;
  if (group.bias >= 0) scales_of_tensor(group.bias).columns = std::move(inverse);
  const std::int64_t in = group.channels * group.repeat;
  std::vector<float> by_column(static_cast<std::size_t>(group.n * in));
  for (std::int64_t e = 0; e < group.n; ++e)
    for (std::int64_t c = 0; c < in; ++c)
      by_column[static_cast<std::size_t>(e * in + c)] = scales.factors[static_cast<std::size_t>(e * group.channels + group.channel(c))];
  for (const int reader : group.readers) scales_of_tensor(reader).columns = by_column;
}

Result<ChannelScales> ChannelScales::create(const Source& source, const plan::Plan& plan, const format::Statistics& statistics) {
  ChannelScales out;
  if (plan.scaling.empty()) return out;
  if (statistics.model != fingerprint(source.model))
    return Status(StatusCode::invalid_argument, "the statistics were measured on another model: run `jang calibrate` on this one");
  JANG_ASSIGN(const arch::DecoderConfig config, arch::decoder_config(source.model));
  const arch::ScaleGroups found = arch::scale_groups(source.model, config);
  for (const plan::Scaling& row : plan.scaling) {
    const auto group = std::ranges::find(found.groups, row.group, &arch::ScaleGroup::name);
    if (group == found.groups.end()) return no_group(found, row.group);
    if (row.exponent == 0) continue;
    std::optional<GroupInputs> inputs = group_inputs(source.model, *group, statistics);
    if (!inputs)
      return Status(StatusCode::invalid_argument, fmt::format("the statistics do not tell what the channels of {} hold", row.group));
    if (row.of_weights > 0) {
      JANG_ASSIGN(inputs->weights, weight_sizes(source, plan, *group));
    }
    JANG_ASSIGN(const std::vector<float> gains, norm_weights(source, *group));
    const DType stored = plan::stored_dtype(source.model.tensors[static_cast<std::size_t>(group->producer)], plan.dtype);
    out.fold(source.model, *group,
             group_scales(source.model, *group, *inputs, {row.exponent, row.of_weights}, gains, config.norm.offset, stored));
  }
  return out;
}

const TensorScales* ChannelScales::of(int tensor) const {
  if (by_tensor_.empty()) return nullptr;
  const TensorScales& t = by_tensor_[static_cast<std::size_t>(tensor)];
  return t.n_columns > 0 ? &t : nullptr;
}

}  // namespace jang::quantize

// SPDX-License-Identifier: Apache-2.0
// The model that a config promises, planned without a checkpoint.
#include "jang/estimate.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include <fmt/format.h>

#include "api/access.h"
#include "api/planning.h"
#include "arch/decoder_config.h"
#include "arch/describe.h"
#include "arch/expected.h"
#include "arch/towers.h"
#include "base/checked.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "kernels/devices.h"
#include "model/cache_pool.h"
#include "plan/layout.h"
#include "plan/make_plan.h"

namespace jang {
namespace {

constexpr std::int64_t kMostContext = std::int64_t{1} << 32;
constexpr std::int64_t kMostCacheBytes = std::int64_t{1} << 60;

struct CacheRow {
  CacheType type;
  std::string_view name;
  kernels::KvType kv;
};
constexpr CacheRow kCaches[] = {{CacheType::f32, "f32", kernels::KvType::f32},
                                {CacheType::f16, "f16", kernels::KvType::f16},
                                {CacheType::bf16, "bf16", kernels::KvType::bf16},
                                {CacheType::q8, "q8", kernels::KvType::q8}};

Result<json::Value> open_config(const std::string& name, const RunOptions& run) {
  std::error_code ec;
  std::string path = name;
  if (!std::filesystem::is_regular_file(name, ec)) {
    JANG_ASSIGN(const std::string directory, find_input(name, run));
    path = directory + "/config.json";
  }
  JANG_ASSIGN(json::Value config, json::parse_file(path, {.dialect = json::Dialect::python}));
  if (!config.is_object()) return Status(StatusCode::corrupt, fmt::format("{}: expected a JSON object", path));
  return config;
}

// Takes out what config.json says about packing: an estimate is about the values that the packed ones stand for.
void forget_packing(json::Value* config, std::vector<std::string>* warnings) {
  bool packed = false;
  for (const char* key : {"quantization_config", "quantization"}) {
    packed = config->erase(key) > 0 || packed;
    if (const auto text = config->find("text_config"); text != config->end() && text->is_object()) packed = text->erase(key) > 0 || packed;
  }
  if (packed) warnings->emplace_back("the checkpoint of this config is packed; its size is told as that of the values it stands for");
}

// A wrapper's tower stays beside the packed text model, in 16 bits.
Status add_towers(const json::Value& config, std::vector<TensorInfo>* tensors, std::vector<std::string>* warnings) {
  JANG_ASSIGN(std::vector<TensorInfo> towers, arch::expected_towers(config, tensors->front().dtype));
  if (towers.empty() && json::find(config, "vision_config") != nullptr)
    warnings->emplace_back("the vision tower is not counted: no table tells its tensors");
  tensors->insert(tensors->end(), std::make_move_iterator(towers.begin()), std::make_move_iterator(towers.end()));
  return {};
}

std::int64_t experts_per_token(const arch::DecoderConfig& config) {
  std::int64_t most = 0;
  for (const arch::LayerSpec& layer : config.layers) {
    if (const auto* experts = std::get_if<arch::ExpertsSpec>(&layer.ffn)) most = std::max(most, experts->top_k);
    if (const auto* both = std::get_if<arch::MlpAndExpertsSpec>(&layer.ffn)) most = std::max(most, both->experts.top_k);
  }
  return most;
}

bool is_routed(arch::Role role) {
  return role == arch::Role::expert_gate || role == arch::Role::expert_up || role == arch::Role::expert_gate_up ||
         role == arch::Role::expert_down;
}

// Of every stack of experts a token runs `top_k`; of per-layer embeddings it reads one row.
std::uint64_t active_params(const arch::Model& model, std::int64_t top_k) {
  std::int64_t active = 0;
  for (const arch::OutTensor& t : model.tensors) {
    if (t.role == arch::Role::vision) continue;
    const std::int64_t n = t.role == arch::Role::layer_embedding ? columns(t.shape) : elements(t.shape);
    active += is_routed(t.role) && top_k > 0 ? n / t.shape.front() * std::min(top_k, t.shape.front()) : n;
  }
  return static_cast<std::uint64_t>(active);
}

// What the engine itself would take for one sequence.
Status add_caches(const arch::DecoderConfig& config, ModelEstimate* estimate) {
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device("ref", nullptr));
  const std::int64_t pages = ceil_div(estimate->context, kernels::kPagePositions);
  for (const CacheRow& row : kCaches) {
    const model::CachePool pool(*device, config, row.kv);
    if (pool.page_bytes() > kMostCacheBytes / pages)
      return {StatusCode::corrupt,
              fmt::format("keys and values of {} tokens would take more than {} bytes", estimate->context, kMostCacheBytes)};
    estimate->caches.push_back({row.type, static_cast<std::uint64_t>(pool.sequence_bytes(estimate->context)),
                                static_cast<std::uint64_t>(pool.page_bytes() / kernels::kPagePositions)});
  }
  return {};
}

Result<ProfileEstimate> estimate_profile(const arch::Model& model, const plan::Options& options, std::uint64_t cache_bytes) {
  JANG_ASSIGN(const plan::Plan plan, plan::make_plan(model, options));
  const plan::Sizes sizes = plan::sizes(model, plan, plan::make_layout(model, plan));
  ProfileEstimate row{options.profile, sizes.code_bits, sizes.stored_bits, sizes.file_bytes};
  row.memory_bytes = row.file_bytes + cache_bytes + kWorkingBytes;
  row.machine_gib = smallest_machine(row.memory_bytes);
  return row;
}

Result<std::vector<plan::Options>> options_by_profile(const EstimateOptions& options) {
  if (options.context < 1 || options.context > kMostContext)
    return Status(StatusCode::invalid_argument, fmt::format("a context of {} tokens: 1 to {} are possible", options.context, kMostContext));
  std::vector<plan::Options> rows;
  for (const std::string& profile : options.profiles.empty() ? estimate_profiles() : options.profiles) {
    PlanOptions one = options.plan;
    one.profile = profile;
    JANG_ASSIGN(plan::Options planner, planner_options(one));
    if (plan::needs_errors(planner))
      return Status(StatusCode::invalid_argument,
                    "profile auto decides by the errors of weights, which a config does not have; its files have the size that you allow");
    rows.push_back(std::move(planner));
  }
  return rows;
}

}  // namespace

std::string_view to_string(CacheType type) {
  const auto row = std::ranges::find(kCaches, type, &CacheRow::type);
  return row == std::end(kCaches) ? "automatic" : row->name;
}

std::uint64_t usable_bytes(int machine_gib) {
  const auto bytes = static_cast<std::uint64_t>(machine_gib) << 30;
  return machine_gib >= 36 ? bytes / 4 * 3 : bytes / 3 * 2;
}

std::optional<int> smallest_machine(std::uint64_t bytes) {
  const auto found = std::ranges::find_if(kMachineGib, [&](int gib) { return bytes <= usable_bytes(gib); });
  return found == kMachineGib.end() ? std::nullopt : std::optional(*found);
}

std::vector<std::string> estimate_profiles() { return {"JANG_2S", "JANG_3K", "JANG_4K", "JANG_6K", "uniform_4"}; }

Result<ModelEstimate> estimate_model(const std::string& name, const EstimateOptions& options, const RunOptions& run) {
  JANG_ASSIGN(const std::vector<plan::Options> profiles, options_by_profile(options));
  JANG_ASSIGN(json::Value config, open_config(name, run));
  ModelEstimate estimate;
  estimate.context = options.context;
  forget_packing(&config, &estimate.warnings);
  JANG_ASSIGN(std::vector<TensorInfo> tensors, arch::expected_tensors(config));
  if (!options.plan.text_only) JANG_TRY(add_towers(config, &tensors, &estimate.warnings));
  for (const TensorInfo& t : tensors) estimate.source_bytes += static_cast<std::uint64_t>(t.bytes());
  estimate.source_type = jang::name(tensors.front().dtype);
  JANG_ASSIGN(const arch::Model model, targets::describe_source(config, tensors, {}, *profiles.front().target));
  estimate.model_type = model.model_type;
  estimate.family = model.family;
  estimate.n_layers = model.n_layers;
  estimate.n_experts = model.n_experts;
  estimate.warnings.insert(estimate.warnings.end(), model.warnings.begin(), model.warnings.end());
  for (const arch::OutTensor& t : model.tensors)
    (t.role == arch::Role::vision ? estimate.tower_params : estimate.params) += static_cast<std::uint64_t>(elements(t.shape));
  if (const Result<arch::DecoderConfig> decoder = arch::decoder_config(model); decoder.ok()) {
    estimate.trained_context = decoder->max_positions;
    estimate.experts_per_token = static_cast<int>(experts_per_token(*decoder));
    JANG_TRY(add_caches(*decoder, &estimate));
  } else {
    estimate.warnings.push_back("the memory of keys and values is not counted: " + decoder.status().message());
  }
  estimate.active_params = active_params(model, estimate.experts_per_token);
  const CacheType type = options.cache == CacheType::automatic ? CacheType::f16 : options.cache;
  const auto cache = std::ranges::find(estimate.caches, type, &CacheEstimate::type);
  for (const plan::Options& planner : profiles) {
    JANG_ASSIGN(ProfileEstimate row, estimate_profile(model, planner, cache == estimate.caches.end() ? 0 : cache->bytes));
    estimate.profiles.push_back(std::move(row));
  }
  return estimate;
}

}  // namespace jang

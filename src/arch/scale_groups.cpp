// SPDX-License-Identifier: Apache-2.0
// The readers of a producer come from two sides that must agree: the maps that the block of the layer has, by name, and the tensors of the
// layer whose role says that they read it.
#include "arch/scale_groups.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace jang::arch {
namespace {

// What a matrix reads.
enum class Input : std::uint8_t { none, mixer, ffn, attended, delta, mlp, experts, shared, head, q_latent, kv_latent, unknown };

Input input_of(const OutTensor& t) {
  if (t.canonical.ends_with(".self_attn.q_b_proj")) return Input::q_latent;
  if (t.canonical.ends_with(".self_attn.kv_b_proj")) return Input::kv_latent;
  switch (t.role) {
    case Role::attn_q:
    case Role::attn_k:
    case Role::attn_v:
    case Role::attn_qkv:
    case Role::attn_gate:
    case Role::linear_attn_qkv:
    case Role::linear_attn_z:
    case Role::linear_attn_ab: return Input::mixer;
    case Role::mlp_gate:
    case Role::mlp_up:
    case Role::mlp_gate_up:
    case Role::expert_gate:
    case Role::expert_up:
    case Role::expert_gate_up:
    case Role::shared_gate:
    case Role::shared_up:
    case Role::shared_gate_up:
    case Role::shared_router:
    case Role::router: return Input::ffn;
    case Role::attn_o: return Input::attended;
    case Role::linear_attn_out: return Input::delta;
    case Role::mlp_down: return Input::mlp;
    case Role::expert_down: return Input::experts;
    case Role::shared_down: return Input::shared;
    case Role::lm_head: return Input::head;
    case Role::unknown: return Input::unknown;
    default: return Input::none;  // norms, biases, convolutions, states, embeddings
  }
}

class Finder {
 public:
  Finder(const Model& model, const DecoderConfig& config) : model_(model), config_(config) {
    for (std::size_t i = 0; i < model.tensors.size(); ++i) {
      by_name_.emplace(canonical_name(model.tensors[i]), static_cast<int>(i));
      by_layer_[model.tensors[i].layer].push_back(static_cast<int>(i));
    }
  }

  ScaleGroups run() {
    for (int layer = 0; layer < config_.n_layers(); ++layer) {
      layer_ = layer;
      prefix_ = fmt::format("model.layers.{}.", layer);
      const LayerSpec& spec = config_.layers[static_cast<std::size_t>(layer)];
      std::visit([&](const auto& mixer) { add_mixer(mixer, spec.norms); }, spec.mixer);
      std::visit([&](const auto& ffn) { add_ffn(ffn, spec.norms); }, spec.ffn);
    }
    if (!config_.tied) add_head();
    return std::move(found_);
  }

 private:
  using Names = std::vector<std::string>;

  const OutTensor& tensor(int i) const { return model_.tensors[static_cast<std::size_t>(i)]; }
  int find(const std::string& name) const {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? -1 : at->second;
  }

  void leave_out(const std::string& name, std::string why) { found_.left_out.push_back({prefix_ + name, std::move(why)}); }

  void add_mixer_norm(Norms norms, const Names& readers) {
    if (norms == Norms::parallel) return leave_out("input_layernorm", "the mixer and the feed-forward both read it");
    add({.name = prefix_ + "input_layernorm", .is_norm = true, .channels = config_.hidden, .head = config_.hidden}, Input::mixer, readers);
  }

  void add_mixer(const AttentionSpec& s, Norms norms) {
    const std::string block = prefix_ + "self_attn.";
    Names readers = {block + "qkv_proj"};
    if (s.maps == QkvMaps::apart) readers = {block + "q_proj"};
    if (s.maps == QkvMaps::apart && s.kv_of < 0) readers.push_back(block + "k_proj");
    if (s.maps == QkvMaps::apart && s.kv_of < 0 && !s.k_is_v) readers.push_back(block + "v_proj");
    add_mixer_norm(norms, readers);
    if (s.v_norm) return leave_out("self_attn.v_proj", "a norm lies between it and its reader");
    add({.name = block + "v_proj", .channels = s.v_size(), .head = s.value_dim, .repeat = s.n_heads / s.n_kv_heads}, Input::attended,
        {block + "o_proj"});
  }

  // What o_proj reads is made by rows of kv_b_proj that lie between those of keys: it keeps its channels.
  void add_mixer(const LatentSpec& s, Norms norms) {
    const std::string block = prefix_ + "self_attn.";
    add_mixer_norm(norms, {block + (s.q_rank > 0 ? "q_a_proj" : "q_proj"), block + "kv_a_proj_with_mqa"});
    if (s.q_rank > 0)
      add({.name = block + "q_a_layernorm", .is_norm = true, .channels = s.q_rank, .head = s.q_rank}, Input::q_latent,
          {block + "q_b_proj"});
    const int kv_b = find(block + "kv_b_proj.weight");
    if (kv_b >= 0 && !tensor(kv_b).quantizable) return;  // the target keeps it: nothing to gain
    add({.name = block + "kv_a_layernorm", .is_norm = true, .channels = s.kv_rank, .head = s.kv_rank}, Input::kv_latent,
        {block + "kv_b_proj"});
  }

  void add_mixer(const DeltaSpec& s, Norms norms) {
    const std::string block = prefix_ + "linear_attn.";
    const Names inputs = s.interleaved ? Names{block + "in_proj_qkvz", block + "in_proj_ba"}
                                       : Names{block + "in_proj_qkv", block + "in_proj_z", block + "in_proj_b", block + "in_proj_a"};
    add_mixer_norm(norms, inputs);
    add({.name = block + "norm", .is_norm = true, .channels = s.value_dim, .head = s.value_dim, .repeat = s.value_heads}, Input::delta,
        {block + "out_proj"});
  }

  void add_mixer(const ShortConvSpec&, Norms norms) {
    const std::string block = prefix_ + "conv.";
    add_mixer_norm(norms, {block + "in_proj"});
    leave_out("conv.in_proj", "a convolution between two gates lies between it and its reader");
  }

  // The skip of the scan goes by heads, and its other values through a SiLU: only the norm behind it has channels of its own.
  void add_mixer(const MambaSpec& s, Norms norms) {
    const std::string block = prefix_ + "mamba.";
    add_mixer_norm(norms, {block + "in_proj"});
    if (s.norm_groups == 0) return leave_out("mamba.in_proj", "a state space lies between it and its reader");
    add({.name = block + "gated_norm", .is_norm = true, .channels = s.inner(), .head = s.inner()}, Input::delta, {block + "out_proj"});
  }

  void add_mixer(const NoMixer&, Norms) {}
  void add_ffn(const NoFfn&, Norms) {}

  void add_norm(Norms norms, const Names& readers) {
    if (norms == Norms::parallel) return;  // the mixer's
    if (norms == Norms::after) return leave_out("post_attention_layernorm", "it comes after the mixer and is added to what no norm wrote");
    const char* name = norms == Norms::around   ? "pre_feedforward_layernorm"
                       : norms == Norms::single ? "input_layernorm"
                                                : "post_attention_layernorm";
    add({.name = prefix_ + name, .is_norm = true, .channels = config_.hidden, .head = config_.hidden}, Input::ffn, readers);
  }

  void add_ffn(const MlpSpec& s, Norms norms) {
    const std::string block = prefix_ + "mlp.";
    Names readers = {block + "up_proj"};
    if (s.gated) readers = s.fused ? Names{block + "gate_up_proj"} : Names{block + "gate_proj", block + "up_proj"};
    add_norm(norms, readers);
    if (!s.gated) return leave_out("mlp.up_proj", "an activation lies between it and its reader");
    add({.name = block + "up_proj", .channels = s.ffn, .head = s.ffn}, Input::mlp, {block + "down_proj"});
  }

  void add_ffn(const ExpertsSpec& s, Norms norms) {
    const std::string block = prefix_ + "mlp.", experts = block + "experts.", shared = s.shared ? block + s.shared->name() + "." : "";
    Names readers = {block + "gate", experts + "up_proj"};
    if (s.expert.gated) readers.push_back(experts + "gate_proj");
    if (s.shared) {
      const arch::MlpSpec& mlp = s.shared->mlp;
      readers.push_back(shared + (mlp.fused ? "gate_up_proj" : "up_proj"));
      if (mlp.gated && !mlp.fused) readers.push_back(shared + "gate_proj");
      if (s.shared->gated) readers.push_back(block + "shared_expert_gate");
    }
    add_norm(norms, readers);
    if (!s.expert.gated) return leave_out("mlp.experts.up_proj", "an activation lies between it and its reader");
    if (s.expert.activation == Activation::swiglu_oai) return leave_out("mlp.experts.up_proj", "it is bounded, and one is added to it");
    add({.name = experts + "up_proj", .n = s.n_experts, .channels = s.expert.ffn, .head = s.expert.ffn}, Input::experts,
        {experts + "down_proj"});
    if (!s.shared) return;
    const std::int64_t ffn = s.shared->mlp.ffn;
    add({.name = shared + "up_proj", .channels = ffn, .head = ffn}, Input::shared, {shared + "down_proj"});
  }

  // The norms before either stay as they are: a group's readers are all that read what the layer normalises once.
  void add_ffn(const MlpAndExpertsSpec& s, Norms) {
    const std::string block = prefix_ + "mlp.", experts = block + "experts.";
    leave_out("pre_feedforward_layernorm", "an MLP and experts read the hidden states, each through a norm of its own");
    add({.name = block + "up_proj", .channels = s.mlp.ffn, .head = s.mlp.ffn}, Input::mlp, {block + "down_proj"});
    add({.name = experts + "up_proj", .n = s.experts.n_experts, .channels = s.experts.expert.ffn, .head = s.experts.expert.ffn},
        Input::experts, {experts + "down_proj"});
  }

  void add_head() {
    layer_ = -1;
    add({.name = "model.norm", .is_norm = true, .channels = config_.hidden, .head = config_.hidden}, Input::head, {"lm_head"});
  }

  // Takes the group, or says why not.
  void add(ScaleGroup group, Input input, const Names& readers) {
    group.layer = layer_ < 0 ? config_.n_layers() : layer_;
    group.producer = find(group.name + ".weight");
    group.bias = find(group.name + ".bias");
    if (std::string why = refusal(&group, input, readers); !why.empty())
      found_.left_out.push_back({group.name, std::move(why)});
    else
      found_.groups.push_back(std::move(group));
  }

  std::string refusal(ScaleGroup* group, Input input, const Names& names) const {
    if (group->producer < 0) return "the model has no such tensor of its own";
    const OutTensor& producer = tensor(group->producer);
    const std::int64_t made = group->is_norm ? elements(producer.shape) : rows(producer.shape);
    if (made != group->n * group->channels)
      return fmt::format("it is {}, not {} channels", jang::to_string(producer.shape), group->channels);
    std::set<int> expected;
    for (const std::string& name : names) {
      const int reader = find(name + ".weight");
      if (reader < 0) return fmt::format("its reader {} is not in the model, and all readers have to be rescaled", name);
      expected.insert(reader);
    }
    const auto layer = by_layer_.find(layer_);
    for (const int i : layer->second) {
      const Input reads = input_of(tensor(i));
      if (reads == Input::unknown && layer_ >= 0) return fmt::format("{} may read it, and nobody knows what that is", tensor(i).canonical);
      if (reads == input && !expected.contains(i))
        return fmt::format("{} reads it too, and is none of the block's maps", tensor(i).canonical);
    }
    for (const int i : expected) {
      const std::int64_t columns_of_head = columns(tensor(i).shape);
      if (columns_of_head != group->channels * group->repeat)
        return fmt::format("its reader {} has {} inputs, not {}", tensor(i).canonical, columns_of_head, group->channels * group->repeat);
      group->readers.push_back(i);
    }
    return {};
  }

  const Model& model_;
  const DecoderConfig& config_;
  std::map<std::string, int> by_name_;
  std::map<int, std::vector<int>> by_layer_;  // -1: outside
  int layer_ = 0;                             // that is looked at
  std::string prefix_;
  ScaleGroups found_;
};

}  // namespace

ScaleGroups scale_groups(const Model& model, const DecoderConfig& config) { return Finder(model, config).run(); }

}  // namespace jang::arch

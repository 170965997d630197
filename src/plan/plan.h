// SPDX-License-Identifier: Apache-2.0
// The plan: which tensor gets how many bits, and why. Pure functions, no I/O: equal inputs give equal plans.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "format/targets/targets.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/dtype.h"

namespace jang::plan {

enum class Tier : std::uint8_t { critical, important, compress, keep };  // keep: stored in 16 bit or as it is
[[nodiscard]] std::string_view to_string(Tier tier);                     // "CRITICAL", ...

// gptq: fit with error feedback, which needs the inputs of a running model.
enum class Method : std::uint8_t { fit, rtn, gptq };
[[nodiscard]] std::string_view to_string(Method method);

enum class Floors : std::uint8_t { automatic, on, off };

// What decided the bits of a plan. One row each in plan.cpp: names are permanent, they are written to plans and bundles.
enum class AllocatedBy : std::uint8_t { tiers, mlx_recipe, role_prior, measured_errors, measured_sensitivities, file };
[[nodiscard]] std::string_view to_string(AllocatedBy allocation);  // "tiers", "budget: role prior", ...
// Unknown names, of plans edited by hand, are `file`.
[[nodiscard]] AllocatedBy allocation_from_string(std::string_view name);

// One codec choice. bits == 0: not quantized, stored in `Plan::dtype` (or its own dtype when OutTensor::keep_dtype or not a float).
struct Choice {
  int bits = 0;
  int group_size = 0;
  friend bool operator==(const Choice&, const Choice&) = default;
  friend auto operator<=>(const Choice&, const Choice&) = default;
};

struct Override {  // --tensor 'regex=bits[:group]'; bits 16 keeps the tensor
  std::string pattern;
  Choice choice;
  bool matched = false;
};

// What is made when no profile is asked for: the bytes of plain 4-bit rounding, with less damage on mixtures and no more on dense models
// (docs/numbers.md, section 9).
inline constexpr std::string_view kDefaultProfile = "JANG_4K";

struct Options {
  const targets::Target* target = &targets::default_target();  // that the model was spelled by
  std::string profile{kDefaultProfile};                        // canonical name, see canonical_profile
  std::optional<double> target_bpw;                            // auto: stored bits per weight, at most
  std::optional<std::uint64_t> target_bytes;                   // auto: safetensors file bytes, at most
  Method method = Method::fit;
  int group_size = 0;                // 0 = auto
  std::optional<DType> param_dtype;  // scales, biases and passthrough floats; empty = auto, see param_dtype()
  Floors floors = Floors::automatic;
  std::vector<Override> overrides;
};

struct TensorPlan {
  int tensor = 0;  // index into arch::Model::tensors
  Tier tier = Tier::keep;
  Choice choice;
  std::string reason;       // rule of the role, then what changed it (profile, floor, override, group fallback)
  std::uint64_t bytes = 0;  // stored, scales and biases included
};

// Channels that are rescaled before weights are rounded (AWQ): of one producer and its readers, arch::ScaleGroup::name. What they are
// multiplied by follows from the exponent and the statistics (quantize/channel_scales.h).
struct Scaling {
  std::string group;
  double exponent = 0;            // 0: they stay
  double gain = 0;                // share of the readers' error that this is expected to take away
  std::int64_t experts_left = 0;  // that saw too little text for scales of their own
  double of_weights = 0;          // exponent of the weights: they are divided by that power of the readers' mean size
  bool refused = false;           // the search would have rescaled them, and the model's own predictions got no better
};
struct Unscaled {
  std::string group, reason;
};
// What scaling does to the model's own predictions, on text that no scale was found on (calibrate/scale_trial.h).
struct ScalingTrial {
  std::int64_t positions = 0;       // predictions compared
  double unscaled = 0, scaled = 0;  // divergence of the whole, without scaling and as the plan has it
  double difference_error = 0;      // standard error of their difference
};

struct Plan {
  const targets::Target* target = &targets::default_target();  // whose files are planned
  std::string profile;
  Method method = Method::fit;
  DType dtype = DType::bf16;        // of scales, biases and passthrough floats
  std::vector<TensorPlan> tensors;  // same order as arch::Model::tensors
  std::uint64_t budget_bytes = 0;   // safetensors file bytes allowed; 0 when the profile has no budget
  AllocatedBy allocation = AllocatedBy::file;
  std::string statistics;          // digest of the statistics file whose E[x^2] weights the fit; empty: unweighted
  bool activation_aware = false;   // the method rescales channels
  std::vector<Scaling> scaling;    // by group, in the order of the model; every one that could be rescaled
  std::vector<Unscaled> unscaled;  // the others, and why
  std::optional<ScalingTrial> scaling_trial;
  std::vector<std::string> warnings;
};

// "fit", "rtn", "gptq"; "awq", "awq+rtn", "awq+gptq" where channels are rescaled first.
[[nodiscard]] std::string method_name(Method method, bool activation_aware);
struct NamedMethod {
  Method method = Method::fit;
  bool activation_aware = false;
};
[[nodiscard]] std::optional<NamedMethod> named_method(std::string_view name);

// Relative squared error (squared error over squared norm) per unit and choice, as measured by quantize/measure. Keys: arch::Unit::name.
using ErrorTable = std::map<std::string, std::map<Choice, double>>;

// What the plan packs every unit as; units that it keeps are left out. Precondition: tensors of a unit share a choice, as in all plans but
// those of mlx-lm's recipes.
[[nodiscard]] std::map<std::string, Choice> choices_by_unit(const arch::Model& model, const Plan& plan);

// Expected damage of a choice, in nats of KL divergence, by unit: what measured sensitivities say. Comes in the place of error x prior.
using CostTable = std::map<std::string, std::map<Choice, double>>;

// Storage type of scales, biases and passthrough floats under these options: as asked, else fp16 for a source whose weights are mostly
// fp16, bf16 otherwise (float32 sources included: every float32 value fits bf16's range).
[[nodiscard]] DType param_dtype(const arch::Model& model, const Options& options);
// "2" -> "JANG_2S", "jang_4k" -> "JANG_4K", "4K" -> "JANG_4K", "uniform_3", "mixed_2_6", "auto". Errors: invalid_argument with the nearest
// name.
[[nodiscard]] Result<std::string> canonical_profile(std::string_view name);

struct ProfileRow {
  std::string_view name;
  std::string_view kind;              // "tiers", "budget", "baseline", "auto"
  int critical, important, compress;  // bits; 0 where the kind has none
  std::string_view summary;           // one line for `jang profiles`
};
// Every profile in the order they are shown. One row each in profiles.cpp.
[[nodiscard]] const std::vector<ProfileRow>& profiles();

}  // namespace jang::plan

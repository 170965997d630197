// SPDX-License-Identifier: Apache-2.0
// Which tensor gets how many bits, and why: profiles, budgets, and the plan that a conversion follows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/calibrate.h"
#include "jang/export.h"
#include "jang/report.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

inline constexpr std::string_view kDefaultProfile = "JANG_4K";

struct Profile {
  std::string_view name;
  std::string_view kind;                          // "tiers", "budget", "baseline", "auto"
  int critical = 0, important = 0, compress = 0;  // bits of the tiers; 0 where the kind has none
  std::string_view summary;                       // one line
};
// Every profile, in the order they are shown.
[[nodiscard]] JANG_API std::vector<Profile> profiles();
// "2" -> "JANG_2S", "4K" and "jang_4k" -> "JANG_4K". Errors: invalid_argument with the nearest name.
[[nodiscard]] JANG_API Result<std::string> canonical_profile(std::string_view name);

enum class Method : std::uint8_t {
  fit,   // ranges searched and fitted by least squares
  rtn,   // plain rounding, bit for bit that of mlx
  gptq,  // fit, then error feedback: codes and scales that answer for each other's errors on text that the model reads
  // Activation-aware scaling first: channels that text makes strong are stored larger, and what makes them smaller, so that rounding hits
  // them less. Then fit, rtn or gptq. Needs statistics of the model's inputs, as gptq does.
  awq,
  awq_rtn,
  awq_gptq,
};
// "fit", "rtn", "gptq", "awq", "awq+rtn", "awq+gptq". Errors: invalid_argument.
[[nodiscard]] JANG_API Result<Method> method_named(std::string_view name);
enum class ScaleType : std::uint8_t { automatic, bf16, f16 };  // of scales, biases and tensors kept in 16 bits
enum class Floors : std::uint8_t { automatic, on, off };       // least widths of experts; automatic: on for 512 or more

// What a directory is made for, the default first: "mlx", "vllm", ...
[[nodiscard]] JANG_API std::vector<std::string_view> target_names();
// The profile for a target where none is named: kDefaultProfile, or what the files of the target can hold. Of an unknown target the former.
[[nodiscard]] JANG_API std::string_view default_profile(std::string_view target);

struct PlanOptions {
  std::string target = {};                       // one of target_names(); empty: the default
  bool text_only = false;                        // leaves out vision and audio towers; counts beside a plan_file too
  std::string profile{kDefaultProfile};          // any spelling that canonical_profile takes; a budget makes it auto
  std::optional<double> bits_per_weight = {};    // budget: stored bits per weight, at most
  std::optional<std::uint64_t> file_bytes = {};  // budget: bytes of the weight files, at most
  Method method = Method::fit;
  int group_size = 0;  // 32, 64, 128; 0: what the profile and the model ask for
  ScaleType scale_type = ScaleType::automatic;
  Floors floors = Floors::automatic;
  std::vector<std::string> overrides = {};  // "regex=bits[:group]", the last match wins; 16 bits keep a tensor
  std::string plan_file = {};               // a plan as plan_model returns it; nothing above counts then

  // What is known of the model: weights the fit, decides in profile auto, and has what the methods gptq and awq need.
  std::string statistics_file = {};  // of calibrate_model
  bool self_calibrate = false;       // calibrates first, as `calibration` says, and keeps no file
  CalibrationOptions calibration = {};
  // Measurements of the whole plan, after which sensitivities are corrected. None: one where the vocabulary is small enough for many
  // positions to be scored, else 0, since corrections by a few hundred are noise.
  std::optional<int> correction_rounds = {};
};

// The ladder from plain rounding to training; each level does what the one below does, and one thing more:
//   0 rounds (rtn)   1 fits (the default)   2 calibrates the model on its own text   3 feeds errors back (gptq)
//   4 trains the result (ConvertOptions::distillation); to a plan it is level 3
inline constexpr int kMostEffort = 4;
// Sets method and self_calibrate. Errors: invalid_argument (no such level).
[[nodiscard]] JANG_API Status set_effort(int level, PlanOptions* options);

// Everything that can be refused without looking at a model. Errors: invalid_argument.
[[nodiscard]] JANG_API Status check_options(const PlanOptions& options);

struct DroppedTensor {
  std::string name, reason;
};

// What a target other than MLX's changes of a plan, beside the same plan for MLX.
struct TargetChanges {
  struct Row {
    std::string mlx, target;           // "4 bits, group 64", "16 bits"
    std::string reason;                // of the first of the modules
    std::vector<std::string> modules;  // canonical names
  };
  std::string target;
  std::vector<Row> rows;
  std::uint64_t mlx_file_bytes = 0, file_bytes = 0;
  // Expected divergence of both plans, fitted, where statistics have gradients of everything that is packed; routers, which only
  // baselines pack, are left out.
  std::optional<double> mlx_divergence, divergence;
};

struct PlanReport {
  ModelReport model;
  std::string family;                    // architecture
  std::string allocation;                // what decided the bits: "tiers", "measured sensitivities", ...
  std::vector<DroppedTensor> dropped;    // tensors of the source that are not taken over
  std::optional<TargetChanges> changes;  // for other targets than MLX's; not of a plan from a file
  std::string document;                  // the plan as JSON: what PlanOptions::plan_file takes
};

// Plans the source `name` (directory or org/name). Headers only, unless the profile is auto or statistics are wanted: then weights are
// read. Observed as the phases that run, of: detect, those of a calibration (calibrate.h), measure, allocate, scale, trial. Errors:
// invalid_argument (options; a budget that is too small), not_found, corrupt, unsupported, io, cancelled.
[[nodiscard]] JANG_API Result<PlanReport> plan_model(const std::string& name, const PlanOptions& options = {}, const RunOptions& run = {});

}  // namespace jang

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/estimate.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "jang/estimate.h"

namespace jang::cli {
namespace {

std::string heading(const ModelEstimate& e, const std::string& typed) {
  std::string out = fmt::format("{}: {}, {} layers", printable(typed), printable(e.model_type), e.n_layers);
  if (e.n_experts > 0) out += fmt::format(", {} experts", e.n_experts);
  if (e.experts_per_token > 0) out += fmt::format(", {} for every token", e.experts_per_token);
  out += fmt::format("\n  weights      {}", format_count(e.params));
  if (e.active_params < e.params) out += fmt::format(", {} for every token", format_count(e.active_params));
  if (e.tower_params > 0) out += fmt::format("\n  tower        {} weights beside the text model, in 16 bits", format_count(e.tower_params));
  out += fmt::format("\n  source       {} in {}\n", format_bytes_both(e.source_bytes), e.source_type);
  for (const CacheEstimate& c : e.caches)
    out += fmt::format("  cache {:<6} {} for {} tokens, {} for every token more\n", to_string(c.type), format_bytes_both(c.bytes),
                       e.context, format_bytes(c.token_bytes));
  return out;
}

std::string profiles_table(const ModelEstimate& e, bool color) {
  std::vector<std::vector<std::string>> rows = {{"  profile", "code bits", "stored bits", "files", "memory", "fits"}};
  for (const ProfileEstimate& p : e.profiles)
    rows.push_back({"  " + p.profile, fmt::format("{:.3f}", p.code_bits), fmt::format("{:.3f}", p.stored_bits), format_bytes(p.file_bytes),
                    format_bytes(p.memory_bytes), p.machine_gib ? fmt::format("{} GB", *p.machine_gib) : "none listed"});
  return columns_text(rows, color);
}

std::string text_of(const ModelEstimate& e, const std::string& typed, std::string_view cache, bool color) {
  return heading(e, typed) + "\n" + profiles_table(e, color) +
         fmt::format(
             "\nmemory: files, cache {} of {} tokens, {} to work in. fits: the smallest machine of which two thirds, from 36 GB\n"
             "on three quarters, hold that.\n",
             cache, e.context, format_bytes(kWorkingBytes));
}

Json document(const ModelEstimate& e, std::string_view cache) {
  Json v = new_document();
  v["model_type"] = e.model_type;
  v["family"] = e.family;
  v["layers"] = e.n_layers;
  v["experts"] = e.n_experts;
  v["experts_per_token"] = e.experts_per_token;
  v["params"] = e.params;
  v["active_params"] = e.active_params;
  v["tower_params"] = e.tower_params;
  v["source_bytes"] = e.source_bytes;
  v["source_dtype"] = e.source_type;
  v["context"] = e.context;
  v["trained_context"] = e.trained_context > 0 ? Json(e.trained_context) : Json(nullptr);
  v["cache_type"] = cache;
  v["working_bytes"] = kWorkingBytes;
  Json& caches = v["caches"] = Json::object();
  for (const CacheEstimate& c : e.caches) caches[std::string(to_string(c.type))] = {{"bytes", c.bytes}, {"token_bytes", c.token_bytes}};
  Json& profiles = v["profiles"] = Json::array();
  for (const ProfileEstimate& p : e.profiles) {
    Json fits = Json::object();
    for (const int gib : kMachineGib) fits[fmt::format("{}", gib)] = p.memory_bytes <= usable_bytes(gib);
    profiles.push_back({{"profile", p.profile},
                        {"code_bits", p.code_bits},
                        {"stored_bits", p.stored_bits},
                        {"file_bytes", p.file_bytes},
                        {"memory_bytes", p.memory_bytes},
                        {"fits_gib", std::move(fits)}});
  }
  v["warnings"] = e.warnings;
  return v;
}

Result<ModelEstimate> estimate(const Arguments& arguments, const Surroundings& surroundings) {
  EstimateOptions options;
  options.profiles = arguments.values("--profile");
  JANG_TRY(add_shape(arguments, &options.plan));
  options.plan.text_only = arguments.has("--text-only");
  JANG_ASSIGN(options.context, parse_integer(arguments.value("--context"), "--context", 1, std::int64_t{1} << 32));
  options.cache = cache_type_of(arguments.value("--kv"));
  RunOptions run;
  run.hub = surroundings.hub;
  return estimate_model(arguments.value("CONFIG"), options, run);
}

}  // namespace

int run_estimate(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string typed = arguments.value("CONFIG"), cache = arguments.value("--kv");
  const Result<ModelEstimate> found = estimate(arguments, surroundings);
  if (!found.ok()) return fail(fmt::format("cannot estimate {}", typed), "estimate", found.status(), surroundings.stderr_color);
  for (const std::string& warning : found->warnings)
    print_message(fmt::format("{}{}\n", styled("warning: ", Style::yellow, surroundings.stderr_color), printable(warning)));
  if (arguments.has("--json")) return finish(dump(document(*found, cache), 2) + "\n", surroundings);
  return finish(text_of(*found, typed, cache, surroundings.stdout_color), surroundings);
}

}  // namespace jang::cli

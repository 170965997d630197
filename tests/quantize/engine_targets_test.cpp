// SPDX-License-Identifier: Apache-2.0
// Whole conversions of the bundled mixture for `awq`, `gptq` and `vllm-humming`, and exports between targets: names, values within the
// reported error of the source, an engine that computes with exactly these values, and codes that are kept where they can be.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "../support/bundled_model.h"
#include "../support/contains.h"
#include "engine/engine.h"
#include "format/safetensors.h"
#include "format/targets/packed_module.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "format/targets/unpacked.h"
#include "format/targets/validate.h"
#include "kernels/host_ops.h"
#include "kernels/values.h"
#include "plan/make_plan.h"
#include "quantize/convert.h"
#include "quantize/export_plan.h"
#include "relative_error.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

std::vector<float> values_of(const format::Checkpoint& c, const std::string& name) {
  const int index = c.find(name);
  EXPECT_GE(index, 0) << name;
  if (index < 0) return {};
  const format::StoredTensor& t = c.tensors()[static_cast<std::size_t>(index)];
  std::vector<std::byte> raw(static_cast<std::size_t>(t.info.bytes()));
  EXPECT_TRUE(c.read(t, 0, raw).ok());
  std::vector<float> out(static_cast<std::size_t>(elements(t.info.shape)));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kernels::load_value(t.info.dtype, raw.data(), static_cast<std::int64_t>(i));
  return out;
}

class EngineTargets : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_engines_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  static plan::Options options(std::string_view target, const std::string& profile, plan::Method method = plan::Method::fit) {
    plan::Options o;
    o.target = targets::find_target(target);
    o.profile = profile;
    o.method = method;
    return o;
  }
  Result<format::Bundle> convert_bundled(const plan::Options& o, const std::string& name) {
    JANG_ASSIGN(const Source source, open_source(test::kBundledModel, {}, *o.target));
    JANG_ASSIGN(const plan::Plan plan, plan_source(source, o, "", {}));
    JANG_ASSIGN(const ConvertReport done, convert(source, plan, path(name), false, {}));
    EXPECT_EQ(done.layout.file_bytes, done.sizes.file_bytes);
    return format::open_bundle(path(name));
  }
  // The export of dir_/from as dir_/to; the errors of its packed tensors by module.
  Result<std::map<std::string, double>> exported(const std::string& from, std::string_view target, const std::string& to,
                                                 std::optional<DType> params = {}) {
    JANG_ASSIGN(Source source, open_source(path(from), {}, *targets::find_target(target)));
    JANG_ASSIGN(const plan::Plan plan, export_plan(&source, params));
    JANG_ASSIGN(const ConvertReport done, convert(source, plan, path(to), false, {}));
    std::map<std::string, double> errors;
    for (std::size_t i = 0; i < done.errors.size(); ++i)
      if (done.errors[i]) errors[source.model.tensors[i].canonical] = *done.errors[i];
    return errors;
  }
  // Weights of a directory under the names of the source, in float32.
  format::Checkpoint weights(const std::string& name) {
    auto bundle = format::open_bundle(path(name));
    EXPECT_TRUE(bundle.ok()) << bundle.status().message();
    return format::unpacked(std::move(bundle).value());
  }
  std::vector<float> logits(const std::string& name) {
    engine::LoadOptions exact;
    exact.precision = kernels::Precision::exact;
    auto engine = engine::Engine::load(path(name), exact);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    if (!engine.ok()) return {};
    const std::vector<std::int32_t> ids = {5, 17, 300, 12};
    model::Sequence sequence = (*engine)->new_sequence({});
    std::vector<float> hidden, out(static_cast<std::size_t>(4 * (*engine)->decoder().config().vocab));
    const model::BatchItem item{&sequence, 4};
    EXPECT_TRUE((*engine)->forward({&item, 1}, ids, &hidden).ok());
    EXPECT_TRUE((*engine)->logits(hidden.data(), 4, out.data()).ok());
    return out;
  }
  void expect_valid(const std::string& name) {
    const auto findings = format::validate(path(name), {.deep = true});
    ASSERT_TRUE(findings.ok());
    for (const format::Finding& f : *findings) ADD_FAILURE() << f.where << ": " << f.message;
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  fs::path dir_;
};

TEST_F(EngineTargets, modules_have_the_names_and_values_of_the_source) {
  const auto source = format::Checkpoint::open(test::kBundledModel);
  ASSERT_TRUE(source.ok());
  for (const auto& [target, profile, bar] :
       {std::tuple{"awq", "uniform_4", 0.012}, {"gptq", "JANG_4M", 0.014}, {"vllm-humming", "JANG_3M", 0.014}}) {
    SCOPED_TRACE(target);
    const auto bundle = convert_bundled(options(target, profile), target);
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    EXPECT_EQ(bundle->target->name(), target);
    EXPECT_EQ(bundle->checkpoint.file_format(), "pt");
    EXPECT_GT(bundle->modules.size(), 100u);
    for (const format::StoredTensor& t : bundle->checkpoint.tensors())
      EXPECT_EQ(t.offset_bytes % static_cast<std::uint64_t>(size_bytes(t.info.dtype)), 0u) << t.info.name;
    expect_valid(target);
    const format::Checkpoint values = weights(target);
    double worst = 0;
    for (const format::BundleModule& m : bundle->modules) {
      const double error = relative_error(values_of(values, m.path + ".weight"), values_of(*source, m.path + ".weight"));
      worst = std::max(worst, error / std::pow(4.0, 4 - m.format->bits));
    }
    EXPECT_LT(worst, bar);
    EXPECT_GT(worst, 0.001);
  }
}

// Attention has float zero points, experts have none; every scheme names fields that mean weights alone.
TEST_F(EngineTargets, humming_names_schemes_by_what_vllm_fuses) {
  const auto bundle = convert_bundled(options("vllm-humming", "JANG_4M"), "out");
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  for (const format::BundleModule& m : bundle->modules)
    EXPECT_EQ(m.format->kind, test::contains(m.path, ".experts.") ? codec::Kind::symmetric : codec::Kind::float_zero) << m.path;
  EXPECT_LT(bundle->checkpoint.find("lm_head.weight_scale"), 0);
  const json::Value& q = bundle->checkpoint.config()["quantization_config"];
  EXPECT_EQ(q["quant_method"], "humming");
  EXPECT_EQ(q["b_dtype"], "uint4");
  EXPECT_EQ(q["has_zero_point"], false);
  for (const char* misread : {"dtype", "group_size", "input_dtype"}) EXPECT_FALSE(q.contains(misread)) << misread;
  const json::Value& dynamic = q["dynamic"];
  const std::string attention = "+:^model\\.layers\\.(0|1|2|3)\\.self_attn\\.qkv_proj$";
  ASSERT_TRUE(dynamic.contains(attention)) << dynamic.dump(1);
  EXPECT_EQ(dynamic[attention]["b_dtype"], "uint8");
  EXPECT_EQ(dynamic[attention]["is_fp_zero_point"], true);
  EXPECT_TRUE(dynamic.contains("-:^model\\.layers\\.(0|1|2|3)\\.mlp\\.gate$")) << dynamic.dump(1);
}

TEST_F(EngineTargets, humming_stores_scales_of_16_bits_only) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm-humming"));
  ASSERT_TRUE(source.ok());
  plan::Options o = options("vllm-humming", "uniform_4");
  o.param_dtype = DType::f32;
  const auto plan = plan::make_plan(source->model, o);
  ASSERT_FALSE(plan.ok());
  EXPECT_TRUE(test::contains(plan.status().message(), "16 bits")) << plan.status().message();
}

// A bundle for MLX keeps its codes and scales, and its biases as zero points but for their rounding: far less is lost than by whole zeros.
TEST_F(EngineTargets, exports_to_float_zeros_keep_codes_and_scales) {
  plan::Options o = options("mlx", "uniform_4");
  o.param_dtype = DType::f16;
  ASSERT_TRUE(convert_bundled(o, "fit").ok());
  const auto errors = exported("fit", "vllm-humming", "humming"), whole = exported("fit", "vllm", "whole");
  ASSERT_TRUE(errors.ok() && whole.ok());
  expect_valid("humming");
  const auto before = format::open_bundle(path("fit")), after = format::open_bundle(path("humming"));
  ASSERT_TRUE(before.ok() && after.ok());
  const auto plane = [](const format::Bundle& b, const std::string& module, std::size_t p) {
    for (const format::BundleModule& m : b.modules) {
      if (m.path != module) continue;
      std::vector<std::byte> bytes;
      EXPECT_TRUE(format::PackedModule(b.checkpoint, m).read(b.checkpoint, p, 0, rows(m.shape), &bytes).ok());
      return bytes;
    }
    return std::vector<std::byte>();
  };
  for (const char* last : {"q_proj", "o_proj"}) {
    const std::string module = std::string("model.layers.1.self_attn.") + last;
    ASSERT_TRUE(errors->contains(module) && whole->contains(module));
    EXPECT_LT(errors->at(module), 1e-6) << module;  // 11 digits of a zero point of up to 16
    EXPECT_LT(errors->at(module) * 100, whole->at(module)) << module;
    std::size_t same = 0;
    const std::vector<std::byte> was = plane(*before, module, 0), is = plane(*after, module, 0);
    ASSERT_EQ(was.size(), is.size());
    for (std::size_t i = 0; i < was.size(); ++i) same += was[i] == is[i];
    EXPECT_GT(same, was.size() * 9 / 10) << module;
  }
}

TEST_F(EngineTargets, gptq_names_what_differs_from_most) {
  const auto bundle = convert_bundled(options("gptq", "JANG_4M"), "out");
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const json::Value& q = bundle->checkpoint.config()["quantization_config"];
  EXPECT_EQ(q["bits"], 4);
  EXPECT_EQ(q["sym"], true);
  EXPECT_EQ(q["checkpoint_format"], "gptq");
  const json::Value& dynamic = q["dynamic"];
  const std::string attention = "+:^model\\.layers\\.(0|1|2|3)\\.self_attn\\.";
  for (const char* last : {"q_proj$", "qkv_proj$", "o_proj$"}) {
    ASSERT_TRUE(dynamic.contains(attention + last)) << dynamic.dump(1);
    EXPECT_EQ(dynamic[attention + last]["bits"], 8);
  }
  EXPECT_TRUE(dynamic.contains("-:^model\\.layers\\.(0|1|2|3)\\.mlp\\.gate$")) << dynamic.dump(1);
}

TEST_F(EngineTargets, profiles_that_a_target_cannot_hold_are_refused_by_name) {
  const auto awq = open_source(test::kBundledModel, {}, *targets::find_target("awq"));
  const auto gptq = open_source(test::kBundledModel, {}, *targets::find_target("gptq"));
  ASSERT_TRUE(awq.ok() && gptq.ok());
  const auto refused = [](const Source& source, const plan::Options& o, const std::string& word) {
    const auto plan = plan::make_plan(source.model, o);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.status().code(), StatusCode::invalid_argument);
    EXPECT_TRUE(test::contains(plan.status().message(), word)) << plan.status().message();
  };
  for (const char* profile : {"JANG_4K", "JANG_2S", "uniform_3", "mixed_4_6"}) refused(*awq, options("awq", profile), "-p uniform_4");
  refused(*gptq, options("gptq", "uniform_6"), "4 or 8 bits");
  refused(*gptq, options("gptq", "uniform_3"), "4 or 8 bits");
  refused(*gptq, options("gptq", "mixed_3_6"), "say -p JANG_4K, -p uniform_4 or -p uniform_8");
  plan::Options wider = options("awq", "uniform_4");
  wider.overrides = {{"o_proj", {8, 128}}};
  refused(*awq, wider, "8 bits");
  plan::Options finer = options("awq", "uniform_4");
  finer.overrides = {{"o_proj", {4, 32}}};
  refused(*awq, finer, "alike");
  plan::Options bf16 = options("awq", "uniform_4");
  bf16.param_dtype = DType::bf16;
  EXPECT_FALSE(plan::make_plan(awq->model, bf16).ok());
}

// Tiers go up to the next width that there is; the group is the largest that divides every input.
TEST_F(EngineTargets, plans_are_adapted_to_the_widths_of_a_target) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("gptq"));
  ASSERT_TRUE(source.ok());
  int n = 0;
  for (const plan::ProfileRow& row : plan::profiles()) {
    const plan::Options o = options("gptq", std::string(row.name));
    if (plan::needs_errors(o)) continue;
    const auto plan = plan::make_plan(source->model, o);
    if (!plan.ok()) continue;
    ++n;
    EXPECT_EQ(plan->dtype, DType::f16);
    for (std::size_t i = 0; i < plan->tensors.size(); ++i) {
      const plan::Choice c = plan->tensors[i].choice;
      const arch::OutTensor& t = source->model.tensors[i];
      if (c.bits == 0) continue;
      EXPECT_TRUE(c.bits == 4 || c.bits == 8) << row.name << " " << t.module;
      EXPECT_EQ(c.group_size, 128) << row.name << " " << t.module;
    }
  }
  EXPECT_GE(n, 12);
}

TEST_F(EngineTargets, engine_computes_with_the_values_of_the_files) {
  for (const auto& [target, profile] : {std::pair{"awq", "uniform_4"}, {"gptq", "JANG_4M"}, {"vllm-humming", "JANG_3M"}}) {
    SCOPED_TRACE(target);
    const auto bundle = convert_bundled(options(target, profile, plan::Method::rtn), target);
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    auto engine = engine::Engine::load(path(target), {});
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const format::Checkpoint values = weights(target);
    int n = 0;
    for (const format::BundleModule& m : bundle->modules) {
      if (m.path.find(".experts.") != std::string::npos) continue;
      const auto views = (*engine)->decoder().matrices(m.path);
      ASSERT_EQ(views.size(), 1u) << m.path;
      const std::vector<float> expected = values_of(values, m.path + ".weight");
      std::vector<float> row(static_cast<std::size_t>(columns(m.shape)));
      for (std::int64_t r = 0; r < rows(m.shape); ++r) {
        kernels::dequantize_row(views.front(), r, row.data());
        ASSERT_TRUE(std::equal(row.begin(), row.end(), expected.begin() + r * columns(m.shape))) << m.path << " row " << r;
      }
      ++n;
    }
    EXPECT_GT(n, 10);
    for (const float x : logits(target)) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST_F(EngineTargets, bytes_do_not_depend_on_threads) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("awq"));
  ASSERT_TRUE(source.ok());
  const auto plan = plan::make_plan(source->model, options("awq", "uniform_4", plan::Method::rtn));
  ASSERT_TRUE(plan.ok());
  std::map<int, std::string> files;
  for (const int threads : {1, 3}) {
    RunOptions run;
    run.n_threads = threads;
    ASSERT_TRUE(convert(*source, *plan, path(std::to_string(threads)), false, run).ok());
    std::ifstream file(dir_ / std::to_string(threads) / "model.safetensors", std::ios::binary);
    files[threads].assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_GT(files[1].size(), 1000u);
  EXPECT_TRUE(files[1] == files[3]);
}

// From whole zeros to whole zeros, wider where the target has no such width, and back to MLX in float32: every value is the same number.
TEST_F(EngineTargets, exports_of_whole_zeros_lose_nothing) {
  plan::Options o = options("vllm", "uniform_3");
  o.group_size = 128;
  o.param_dtype = DType::f16;
  o.overrides = {{"lm_head", {}}};  // which AutoAWQ keeps in 16 bits
  ASSERT_TRUE(convert_bundled(o, "vllm").ok());
  const std::vector<float> expected = logits("vllm");
  std::string from = "vllm";
  for (const auto& [target, params] : {std::pair<const char*, std::optional<DType>>{"awq", {}}, {"vllm", {}}, {"mlx", DType::f32}}) {
    SCOPED_TRACE(target);
    const std::string to = std::string("as_") + target;
    const auto errors = exported(from, target, to, params);
    ASSERT_TRUE(errors.ok()) << errors.status().message();
    EXPECT_GE(errors->size(), 28u);
    for (const auto& [module, error] : *errors) EXPECT_EQ(error, 0) << module;
    expect_valid(to);
    const std::vector<float> ours = logits(to);
    EXPECT_TRUE(std::equal(ours.begin(), ours.end(), expected.begin(), expected.end())) << relative_error(ours, expected);
    from = to;
  }
}

TEST_F(EngineTargets, symmetric_codes_go_to_mlx_and_back_without_loss) {
  plan::Options o = options("gptq", "uniform_4");
  ASSERT_TRUE(convert_bundled(o, "gptq").ok());
  const std::vector<float> expected = logits("gptq");
  for (const auto& [from, target] : {std::pair{"gptq", "mlx"}, {"mlx", "gptq"}, {"mlx", "vllm-symmetric"}}) {
    const std::string to = std::string(target) + (std::string(target) == "gptq" ? "_back" : "");
    const auto errors = exported(from, target, to);
    ASSERT_TRUE(errors.ok()) << errors.status().message();
    for (const auto& [module, error] : *errors) EXPECT_EQ(error, 0) << to << " " << module;
    expect_valid(to);
    const std::vector<float> ours = logits(to);
    EXPECT_TRUE(std::equal(ours.begin(), ours.end(), expected.begin(), expected.end())) << to;
  }
}

// Plain rounding of MLX has whole zeros but for the rounding of its scales: codes are kept, and the difference is far below another
// quantization of the same values. A fit has any biases, and costs more.
TEST_F(EngineTargets, exports_of_free_biases_say_what_they_cost) {
  ASSERT_TRUE(convert_bundled(options("mlx", "uniform_4", plan::Method::rtn), "rtn").ok());
  ASSERT_TRUE(convert_bundled(options("mlx", "uniform_4"), "fit").ok());
  std::map<std::string, double> cost;
  for (const char* name : {"rtn", "fit"}) {
    const auto errors = exported(name, "vllm", std::string(name) + "_vllm");
    ASSERT_TRUE(errors.ok()) << errors.status().message();
    expect_valid(std::string(name) + "_vllm");
    const format::Checkpoint before = weights(name), after = weights(std::string(name) + "_vllm");
    double worst = 0;
    for (const auto& [module, error] : *errors) worst = std::max(worst, error);
    cost[name] = worst;
    // What is reported is what the files hold.
    const std::string module = "model.layers.0.self_attn.o_proj";
    EXPECT_NEAR(relative_error(values_of(after, module + ".weight"), values_of(before, module + ".weight")), errors->at(module), 1e-9);
  }
  EXPECT_GT(cost["rtn"], 0);
  EXPECT_LT(cost["rtn"], 2e-4);
  EXPECT_GT(cost["fit"], cost["rtn"]);
  EXPECT_LT(cost["fit"], 6e-3);
}

TEST_F(EngineTargets, plain_checkpoints_are_no_exports) {
  auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok());
  const auto plan = export_plan(&*source, {});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), StatusCode::invalid_argument);
}

// A packed MLX directory is a source too: what the new plan packs alike is taken over as it is.
TEST_F(EngineTargets, converting_what_is_packed_alike_keeps_it) {
  ASSERT_TRUE(convert_bundled(options("mlx", "uniform_4"), "first").ok());
  const auto source = open_source(path("first"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(std::ranges::any_of(source->model.warnings, [](const auto& w) { return test::contains(w, "packed already (mlx)"); }));
  const auto plan = plan_source(*source, options("mlx", "uniform_4"), "", {});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto done = convert(*source, *plan, path("second"), false, {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  for (const auto& error : done->errors) EXPECT_EQ(error.value_or(0), 0);
  EXPECT_EQ(logits("first"), logits("second"));
}

// Codes of narrow floats are none that another target has; whoever wants them quantized is told how.
TEST_F(EngineTargets, exports_of_narrow_floats_are_refused_with_the_way_to_go) {
  fs::copy(test::source_dir() + "/tests/data/bugs/12-first-space-of-answer-lost/model", path("float8"));
  std::vector<TensorInfo> infos;
  std::string payload;
  {
    const auto source = format::Checkpoint::open(path("float8"));
    ASSERT_TRUE(source.ok());
    for (const format::StoredTensor& t : source->tensors()) {
      const bool is_narrow = t.info.name.ends_with("q_proj.weight");
      std::string bytes(static_cast<std::size_t>(t.info.bytes()), '\0');
      ASSERT_TRUE(source->read(t, 0, std::as_writable_bytes(std::span(bytes))).ok());
      infos.push_back({t.info.name, is_narrow ? DType::f8_e4m3 : t.info.dtype, t.info.shape});
      payload += is_narrow ? std::string(static_cast<std::size_t>(infos.back().bytes()), '\x38') : bytes;
      if (!is_narrow) continue;
      infos.push_back({t.info.name + "_scale", DType::f32, {1}});
      payload += std::string("\x00\x00\x80\x3f", 4);
    }
  }
  fs::remove(path("float8/model.safetensors"));
  std::ofstream(path("float8/model.safetensors"), std::ios::binary)
      << format::make_safetensors_header(infos, {{"format", "pt"}}) << payload;
  auto source = open_source(path("float8"), {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->packed_by, "narrow floats");
  const auto plan = export_plan(&*source, {});
  EXPECT_EQ(plan.status().code(), StatusCode::invalid_argument);
  EXPECT_TRUE(test::contains(plan.status().message(), "narrow floats")) << plan.status().message();
  EXPECT_TRUE(test::contains(plan.status().message(), "--target vllm")) << plan.status().message();
}

json::Value quantization_of(const std::string& file) { return json::parse_file(file).value()["quantization"]; }

// What was done stands in the directories of all targets, and an export says what its source says.
TEST_F(EngineTargets, records_say_how_a_directory_was_made) {
  for (const auto& [target, profile] : {std::pair{"vllm", "uniform_3"}, {"awq", "uniform_4"}, {"gptq", "uniform_4"}}) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(convert_bundled(options(target, profile, plan::Method::rtn), target).ok());
    expect_valid(target);
    const std::string file = path(target) + "/jang_record.json";
    json::Value record = json::parse_file(file).value();
    EXPECT_EQ(record["target"], target);
    EXPECT_EQ(record["source_model"]["name"], "gutenberg-moe-9m");
    EXPECT_EQ(record["quantization"]["quantization_method"], "rtn");
    EXPECT_EQ(record["quantization"]["profile"], profile);
    EXPECT_EQ(record["quantization"]["quantization_scheme"], std::string(target) == "gptq" ? "symmetric" : "asymmetric");
    EXPECT_FALSE(record["quantization"].contains("origin"));
    const json::Value& manifest = record["quantization"]["tensor_quantization_manifest"];
    EXPECT_TRUE(manifest.contains("model.layers.0.mlp.experts.up_proj"));
    ASSERT_TRUE(exported(target, "mlx", std::string(target) + "-mlx").ok());
    const json::Value back = quantization_of(path(std::string(target) + "-mlx") + "/jang_config.json");
    EXPECT_EQ(back["quantization_method"], "rtn");
    EXPECT_EQ(back["origin"]["target"], target);
    EXPECT_EQ(back["origin"]["profile"], profile);
    EXPECT_FALSE(back["origin"].contains("tensor_quantization_manifest"));
    // A record that contradicts the tensors is found.
    record["quantization"]["tensor_quantization_manifest"]["model.layers.0.mlp.experts.up_proj"]["bits"] = 8;
    record["quantization"]["tensor_quantization_manifest"]["model.layers.77.up_proj"] = json::Value::object();
    std::ofstream(file) << json::dump(record);
    const auto findings = format::validate(path(target), {});
    ASSERT_TRUE(findings.ok());
    EXPECT_TRUE(std::ranges::any_of(*findings, [](const auto& f) { return test::contains(f.message, "disagrees with the tensors"); }));
    EXPECT_TRUE(std::ranges::any_of(*findings, [](const auto& f) { return test::contains(f.message, "model.layers.77.up_proj, which"); }));
  }
  // Without a record nobody knows how the source was made.
  fs::remove(path("vllm") + "/jang_record.json");
  ASSERT_TRUE(exported("vllm", "mlx", "unknown").ok());
  EXPECT_EQ(quantization_of(path("unknown") + "/jang_config.json")["quantization_method"], "unknown");
}

}  // namespace
}  // namespace jang::quantize

// SPDX-License-Identifier: Apache-2.0
// Whole conversions of the bundled mixture for vLLM: names, what is stored, values as near the source's as their width allows, one scheme
// where its loaders want one, and an engine that computes with exactly these values.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "../support/bundled_model.h"
#include "codec/column_codes.h"
#include "engine/engine.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "format/targets/validate.h"
#include "kernels/host_ops.h"
#include "plan/make_plan.h"
#include "plan/plan_json.h"
#include "quantize/convert.h"
#include "quantize/source_rows.h"
#include "relative_error.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> tensor_bytes(const format::Checkpoint& checkpoint, int tensor) {
  const format::StoredTensor& t = checkpoint.tensors()[static_cast<std::size_t>(tensor)];
  std::vector<std::byte> bytes(static_cast<std::size_t>(t.info.bytes()));
  EXPECT_TRUE(checkpoint.read(t, 0, bytes).ok());
  return bytes;
}

// A packed module by the codec's own definition.
std::vector<float> decoded(const format::Bundle& bundle, const format::BundleModule& m) {
  std::vector<std::vector<std::byte>> planes;
  for (const int plane : m.planes) planes.push_back(tensor_bytes(bundle.checkpoint, plane));
  const std::int64_t in = columns(m.shape), out = rows(m.shape);
  const DType params = bundle.checkpoint.tensors()[static_cast<std::size_t>(m.planes[1])].info.dtype;
  if (m.format->kind == codec::Kind::integer_zero) {
    std::vector<std::uint8_t> zeros(static_cast<std::size_t>(out * in / m.format->group_size));
    codec::unpack_columns(planes[2], out, m.format->bits, zeros);
    const auto bytes = std::as_bytes(std::span(zeros));
    planes[2].assign(bytes.begin(), bytes.end());
  }
  std::vector<float> values(static_cast<std::size_t>(out * in));
  for (std::int64_t r = 0; r < out; ++r) {
    std::vector<const std::byte*> at;
    for (std::size_t p = 0; p < planes.size(); ++p) at.push_back(planes[p].data() + r * m.format->planes()[p].row_bytes(in, params));
    codec::unpack_row(*m.format, at, params, in, values.data() + r * in);
  }
  return values;
}

class VllmTarget : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_vllm_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
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
  // The bundle at dir_/name, or a failed test.
  Result<format::Bundle> convert_bundled(const plan::Options& o, const std::string& name, ConvertReport* report = nullptr) {
    JANG_ASSIGN(const Source source, open_source(test::kBundledModel, {}, *o.target));
    JANG_ASSIGN(const plan::Plan plan, plan_source(source, o, "", {}));
    JANG_ASSIGN(ConvertReport done, convert(source, plan, (dir_ / name).string(), false, {}));
    EXPECT_EQ(done.layout.file_bytes, [&] {
      std::uint64_t bytes = 0;
      for (const auto& s : done.layout.shards) bytes += fs::file_size(dir_ / name / s.file_name);
      return bytes;
    }());
    if (report != nullptr) *report = std::move(done);
    return format::open_bundle((dir_ / name).string());
  }

  fs::path dir_;
};

TEST_F(VllmTarget, modules_have_the_names_parts_and_values_of_the_source) {
  const auto checkpoint = format::Checkpoint::open(test::kBundledModel);
  ASSERT_TRUE(checkpoint.ok());
  for (const std::string_view target : {"vllm", "vllm-symmetric"}) {
    SCOPED_TRACE(target);
    const auto bundle = convert_bundled(options(target, "JANG_4M"), std::string(target));
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    EXPECT_GT(bundle->modules.size(), 100u);
    double worst = 0;
    for (const format::BundleModule& m : bundle->modules) {
      EXPECT_EQ(m.format->kind, target == "vllm" ? codec::Kind::integer_zero : codec::Kind::symmetric) << m.path;
      const int source = checkpoint->find(m.path + ".weight");
      ASSERT_GE(source, 0) << m.path << " is no module of the source";
      const format::StoredTensor& stored = checkpoint->tensors()[static_cast<std::size_t>(source)];
      ASSERT_EQ(stored.info.shape, m.shape) << m.path;
      std::vector<float> weights(static_cast<std::size_t>(elements(m.shape)));
      widen(stored.info.dtype, tensor_bytes(*checkpoint, source), weights);
      worst = std::max(worst, relative_error(decoded(*bundle, m), weights) / std::pow(4.0, 4 - m.format->bits));
    }
    EXPECT_LT(worst, 0.012);
    // Tensors that stay are the source's bytes.
    for (const int i : bundle->plain) {
      const std::string& name = bundle->checkpoint.tensors()[static_cast<std::size_t>(i)].info.name;
      const int source = checkpoint->find(name);
      ASSERT_GE(source, 0) << name;
      EXPECT_EQ(tensor_bytes(*checkpoint, source), tensor_bytes(bundle->checkpoint, i)) << name;
    }
    const auto findings = format::validate((dir_ / target).string(), {.deep = true});
    ASSERT_TRUE(findings.ok());
    for (const format::Finding& f : *findings) ADD_FAILURE() << f.where << ": " << f.message;
  }
}

TEST_F(VllmTarget, parts_are_aligned_and_experts_apart) {
  const auto bundle = convert_bundled(options("vllm", "JANG_3S"), "out");
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  for (const format::StoredTensor& t : bundle->checkpoint.tensors())
    EXPECT_EQ(t.offset_bytes % static_cast<std::uint64_t>(size_bytes(t.info.dtype)), 0u) << t.info.name;
  EXPECT_GE(bundle->checkpoint.find("model.layers.0.mlp.experts.15.down_proj.weight_packed"), 0);
  EXPECT_LT(bundle->checkpoint.find("model.layers.0.mlp.experts.16.down_proj.weight_packed"), 0);
  EXPECT_EQ(bundle->checkpoint.file_format(), "pt");
}

TEST_F(VllmTarget, every_profile_gives_fused_modules_one_scheme) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok());
  int n = 0;
  for (const plan::ProfileRow& row : plan::profiles()) {
    const plan::Options o = options("vllm", std::string(row.name));
    if (plan::needs_errors(o)) continue;
    const auto plan = plan::make_plan(source->model, o);
    if (!plan.ok()) {
      EXPECT_EQ(plan.status().code(), StatusCode::invalid_argument) << plan.status().message();
      EXPECT_EQ(row.name.substr(0, 5), "mixed") << plan.status().message();
      continue;
    }
    ++n;
    std::map<std::string, std::set<plan::Choice>> choices;
    for (std::size_t i = 0; i < plan->tensors.size(); ++i) {
      const arch::OutTensor& t = source->model.tensors[i];
      if (t.quantizable) choices[t.unit].insert(plan->tensors[i].choice);
      EXPECT_TRUE(t.kept.empty() || plan->tensors[i].choice.bits == 0) << t.name;
    }
    for (const auto& [unit, set] : choices) EXPECT_EQ(set.size(), 1u) << row.name << " " << unit;
  }
  EXPECT_GT(n, 15);
}

// Embeddings cost what 16 bits take beyond the profile's; with floors on, down projections of 3 bits go up to the gates' 4.
TEST_F(VllmTarget, plan_says_what_the_rules_cost) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok());
  plan::Options o = options("vllm", "JANG_2S");
  o.floors = plan::Floors::on;
  const auto plan = plan::make_plan(source->model, o);
  ASSERT_TRUE(plan.ok());
  const auto said = [&](const std::string& words, const std::string& bytes) {
    return std::ranges::any_of(plan->warnings, [&](const auto& w) {
      return w.find(words) != std::string::npos && w.find(" " + bytes + " bytes more") != std::string::npos;
    });
  };
  // Codes, scales, zero points, shape: 4096 x 256 at 4 bits, group 64.
  const int packed = 4096 * 256 / 2 + 4096 * 4 * 2 + 4096 / 32 * 4 * 4 * 4 + 16;
  EXPECT_TRUE(said("embeddings", std::to_string(4096 * 256 * 2 - packed)));
  // Up projections from 2 bits and down projections from 3: a code bit costs one bit a weight and one a group.
  const int up = 4 * 16 * 128 * 256, down = up;
  const auto bits = [](int weights, int n) { return n * (weights + weights / 64) / 8; };
  EXPECT_TRUE(said("one scheme", std::to_string(bits(up, 2) + bits(down, 1))));
}

// The budget of `auto` holds for the files that this target writes, zero points and shapes included.
TEST_F(VllmTarget, budgets_are_met_with_the_targets_own_bytes) {
  plan::Options o = options("vllm", "auto");
  o.target_bytes = 7'500'000;
  ConvertReport report;
  const auto bundle = convert_bundled(o, "out", &report);
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_LE(report.layout.file_bytes, 7'500'000u);
  EXPECT_GT(report.layout.file_bytes, 7'300'000u);
}

TEST_F(VllmTarget, plan_document_keeps_its_target) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok());
  const auto plan = plan::make_plan(source->model, options("vllm", "JANG_4K"));
  ASSERT_TRUE(plan.ok());
  const json::Value document = plan::to_json(source->model, *plan);
  EXPECT_EQ(document["target"], "vllm");
  const auto back = plan::from_json(source->model, document);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->target, plan->target);
  for (std::size_t i = 0; i < plan->tensors.size(); ++i) EXPECT_EQ(back->tensors[i].bytes, plan->tensors[i].bytes);
}

// What the device multiplies by is the format's value, to the last bit.
TEST_F(VllmTarget, engine_computes_with_the_values_of_the_format) {
  for (const std::string_view target : {"vllm", "vllm-symmetric"}) {
    const auto bundle = convert_bundled(options(target, "JANG_2L"), std::string(target));
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    auto engine = engine::Engine::load((dir_ / target).string(), {});
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    int n = 0;
    for (const format::BundleModule& m : bundle->modules) {
      if (m.path.find(".experts.") != std::string::npos) continue;
      const auto views = (*engine)->decoder().matrices(m.path);
      ASSERT_EQ(views.size(), 1u) << m.path;
      const std::vector<float> expected = decoded(*bundle, m);
      std::vector<float> row(static_cast<std::size_t>(columns(m.shape)));
      for (std::int64_t r = 0; r < rows(m.shape); ++r) {
        kernels::dequantize_row(views.front(), r, row.data());
        // Equal as numbers: zero times a negative scale is -0.
        ASSERT_TRUE(std::equal(row.begin(), row.end(), expected.begin() + r * columns(m.shape))) << m.path << " row " << r;
      }
      ++n;
    }
    EXPECT_GT(n, 10);
    const std::int32_t ids[] = {5, 17, 300};
    model::Sequence sequence = (*engine)->new_sequence({});
    std::vector<float> hidden;
    const model::BatchItem item{&sequence, 3};
    ASSERT_TRUE((*engine)->forward({&item, 1}, ids, &hidden).ok());
  }
}

// As a source it has the values it stands for, whatever rows are asked for, and is converted with a warning.
TEST_F(VllmTarget, packed_directory_is_a_source) {
  const auto bundle = convert_bundled(options("vllm", "JANG_3M"), "packed");
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const std::string packed = (dir_ / "packed").string();
  const auto source = open_source(packed);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(std::ranges::any_of(source->model.warnings, [](const auto& w) { return w.find("second time") != std::string::npos; }));
  int n = 0;
  for (const format::BundleModule& m : bundle->modules) {
    const int index = source->checkpoint.find(m.path + ".weight");
    ASSERT_GE(index, 0) << m.path;
    const format::StoredTensor& t = source->checkpoint.tensors()[static_cast<std::size_t>(index)];
    const std::vector<float> expected = decoded(*bundle, m);
    for (const auto& [begin, count] :
         {std::pair<std::int64_t, std::int64_t>{0, rows(m.shape)}, {5, 1}, {31, 2}, {37, rows(m.shape) - 37}}) {
      std::vector<float> part(static_cast<std::size_t>(count * columns(m.shape)));
      const auto at = static_cast<std::uint64_t>(begin * columns(m.shape));
      ASSERT_TRUE(source->checkpoint.read(t, at * 4, std::as_writable_bytes(std::span(part))).ok());
      ASSERT_EQ(std::memcmp(part.data(), expected.data() + at, part.size() * 4), 0) << m.path << " from row " << begin;
    }
    ++n;
  }
  EXPECT_GT(n, 100);
  const auto plan = plan_source(*source, options("mlx", "JANG_4K"), "", {});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto done = convert(*source, *plan, (dir_ / "mlx").string(), false, {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(format::open_bundle((dir_ / "mlx").string())->target->name(), "mlx");
}

TEST_F(VllmTarget, bytes_do_not_depend_on_threads) {
  const auto source = open_source(test::kBundledModel, {}, *targets::find_target("vllm"));
  ASSERT_TRUE(source.ok());
  const auto plan = plan::make_plan(source->model, options("vllm", "JANG_3M", plan::Method::rtn));
  ASSERT_TRUE(plan.ok());
  std::map<int, std::vector<std::byte>> files;
  for (const int threads : {1, 3}) {
    RunOptions run;
    run.n_threads = threads;
    const std::string out = (dir_ / std::to_string(threads)).string();
    ASSERT_TRUE(convert(*source, *plan, out, false, run).ok());
    const auto bundle = format::open_bundle(out);
    ASSERT_TRUE(bundle.ok());
    for (std::size_t i = 0; i < bundle->checkpoint.tensors().size(); ++i) {
      const std::vector<std::byte> bytes = tensor_bytes(bundle->checkpoint, static_cast<int>(i));
      files[threads].insert(files[threads].end(), bytes.begin(), bytes.end());
    }
  }
  EXPECT_TRUE(files[1] == files[3]);
}

}  // namespace
}  // namespace jang::quantize

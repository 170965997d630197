// SPDX-License-Identifier: Apache-2.0
// Block-wise distillation in small: the loss of a block starts at what the bundle's layer gives and has the gradient that it should; the
// whole learns, repeats on any number of threads, goes on where it was stopped, and is never worse than its start.
#include "distill/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "../support/bundled_model.h"
#include "../support/contains.h"
#include "../support/test_device.h"
#include "calibrate/output_grams.h"
#include "distill/block.h"
#include "distill/hidden_states.h"
#include "jang/convert.h"

namespace jang::distill {
namespace {

namespace fs = std::filesystem;

// Stops when so many blocks are done.
class BlockStopper final : public SilentObserver {
 public:
  explicit BlockStopper(int blocks) : left_(blocks) {}
  void info(std::string_view message) override {
    infos += std::string(message) + "\n";
    if (message.starts_with("layer") && --left_ == 0) cancel = true;
  }
  void warn(std::string_view message) override { warnings += std::string(message) + "\n"; }
  CancelFlag cancel = false;
  std::string infos, warnings;

 private:
  int left_;
};

class DistillBlocks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "jang_blocks_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ConvertOptions options;
    options.plan.profile = "uniform_2";
    options.plan.method = Method::rtn;
    options.output = folder_ + "/bundle";
    const Result<ConvertReport> made = convert_model(test::kBundledModel, options, {.threads = 2});
    ASSERT_TRUE(made.ok()) << made.status().message();
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  struct Engines {
    std::unique_ptr<engine::Engine> source, packed;
  };
  static Engines open_engines(int threads) {
    engine::LoadOptions options;
    options.n_threads = threads;
    options.precision = kernels::Precision::exact;
    Engines e;
    e.source = engine::Engine::load(test::kBundledModel, test::on_test_device(options)).value();
    options.beside = e.source.get();
    e.packed = engine::Engine::load(folder_ + "/bundle", test::on_test_device(options)).value();
    return e;
  }
  static Options few_steps() {
    Options o;
    o.text = {.n_windows = 2, .length = 24, .n_held_out = 2, .seed = 3};
    o.steps = 4;
    o.rate = 1;
    return o;
  }
  static Result<BlocksOutcome> run(Engines& e, const Options& options, Observer& observer, const CancelFlag* cancel = nullptr) {
    return distill_blocks(*e.source, *e.packed, 4, options, observer, cancel);
  }
  static bool equal(const StoredBytesOfModules& a, const StoredBytesOfModules& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
      return x.first == y.first && x.second.words == y.second.words && x.second.scales == y.second.scales &&
             x.second.biases == y.second.biases;
    });
  }

  // The third layer, between hidden states of both models.
  struct OneBlock {
    static constexpr int kLayer = 2;
    static constexpr std::int64_t kLength = 12;
    Engines e;
    std::vector<float> gram, before, after, wanted;
    std::unique_ptr<Block> block;

    explicit OneBlock(int threads = 2) : e(open_engines(threads)) {
      const auto windows = calibrate::random_windows(*e.source, {.n_windows = 3, .length = kLength, .seed = 5}).value();
      SilentObserver silent;
      gram = calibrate::measure_output_grams(*e.source, windows, 1, silent, nullptr).value().by_layer[kLayer];
      HiddenStates of_source = HiddenStates::embed(*e.source, windows).value(), own = HiddenStates::embed(*e.packed, windows).value();
      EXPECT_TRUE(of_source.advance(0, kLayer + 1, nullptr).ok() && own.advance(0, kLayer, nullptr).ok());
      const auto keep = [](const HiddenStates& states) {
        const auto all = states.of(0, states.n_windows());
        return std::vector<float>(all.begin(), all.end());
      };
      wanted = keep(of_source);
      before = keep(own);
      EXPECT_TRUE(own.advance(kLayer, kLayer + 1, nullptr).ok());
      after = keep(own);
      block = Block::create(*e.packed, *e.source, kLayer, gram, 4).value();
    }
    double loss() const { return block->loss(before, wanted, kLength).value(); }
    // 1/2 d^T G d over all tokens, of what the bundle's layer gives.
    double loss_by_hand() const {
      const auto width = static_cast<std::size_t>(e.packed->decoder().config().hidden);
      double sum = 0;
      for (std::size_t at = 0; at < after.size(); at += width)
        for (std::size_t i = 0; i < width; ++i)
          for (std::size_t j = 0; j < width; ++j)
            sum += static_cast<double>(after[at + i] - wanted[at + i]) * static_cast<double>(gram[i * width + j]) *
                   static_cast<double>(after[at + j] - wanted[at + j]);
      return sum / 2;
    }
  };

  static inline std::string folder_;
};

TEST_F(DistillBlocks, a_block_starts_as_the_bundle) {
  const OneBlock one;
  ASSERT_TRUE(one.block->trains());
  EXPECT_NEAR(one.loss() / one.loss_by_hand(), 1, 1e-4);
  const StoredModules stored = one.block->stored().value();
  for (const auto& [path, values] : stored) {
    const auto views = one.e.packed->decoder().matrices(path);
    EXPECT_EQ(changed_codes(bytes_of(values, views), views), 0) << path;
    EXPECT_EQ(bytes_of(values, views).scales, copy_of(views).scales) << path;
    EXPECT_EQ(bytes_of(values, views).biases, copy_of(views).biases) << path;
  }
}

// The weights are moved where they lie; the gradient is what Adam's first moment has of it after a step that moves nothing.
TEST_F(DistillBlocks, the_gradient_is_the_slope_of_the_loss) {
  OneBlock one;
  kernels::Device& device = one.e.packed->device();
  ASSERT_TRUE(one.block->learn(one.before, one.wanted, OneBlock::kLength).ok());
  ASSERT_TRUE(one.block->step(0, 1).ok());
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  for (TrainedModule& module : one.block->modules()) {
    if (!module.codes_learn()) continue;  // the router, of 8 bits: no moments of its codes
    const kernels::Tensor weights = module.weights();
    const auto n = static_cast<std::size_t>(weights.rows * weights.columns);
    std::vector<float> values(n), moments(n), moved(n);
    ASSERT_TRUE(device.read(weights, values.data()).ok() && device.read(module.state()[7], moments.data()).ok());
    const std::vector<float> scales = module.stored().value().scales;
    const auto group = static_cast<std::size_t>(module.format().group_size);
    std::vector<double> direction(n);
    double promised = 0, length = 0;
    for (std::size_t i = 0; i < n; ++i) {
      // Latents beyond their range have no gradient, groups without a scale neither: these weights stay.
      direction[i] = moments[i] == 0 ? 0 : normal(random) + (moments[i] * scales[i / group] > 0 ? 1 : -1);
      if (direction[i] != 0) promised += direction[i] * static_cast<double>(moments[i]) / (0.1 * static_cast<double>(scales[i / group]));
      length += direction[i] * direction[i];
    }
    const auto loss_at = [&](double step) {
      for (std::size_t i = 0; i < n; ++i) moved[i] = static_cast<float>(static_cast<double>(values[i]) + step * direction[i]);
      EXPECT_TRUE(device.write(moved.data(), weights).ok());
      return one.loss();
    };
    const double step = 1e-2 / std::sqrt(length);
    const double slope = (8 * (loss_at(step) - loss_at(-step)) - (loss_at(2 * step) - loss_at(-2 * step))) / (12 * step);
    EXPECT_NEAR(slope / promised, 1, 0.02) << module.path();
    ASSERT_TRUE(device.write(values.data(), weights).ok());
  }
}

TEST_F(DistillBlocks, learns_and_threads_change_nothing) {
  Engines two = open_engines(2), one = open_engines(1);
  SilentObserver silent;
  const auto a = run(two, few_steps(), silent), b = run(one, few_steps(), silent);
  ASSERT_TRUE(a.ok() && b.ok()) << a.status().message();
  const DistillationReport& r = a->report;
  EXPECT_LT(r.divergence, 0.95 * r.start_divergence);
  EXPECT_GT(r.changed_codes, 0);
  ASSERT_EQ(r.blocks.size(), 4u);
  for (std::size_t l = 0; l < 4; ++l) {
    EXPECT_EQ(r.blocks[l].layer, static_cast<int>(l));
    EXPECT_LE(r.blocks[l].divergence, r.points[l].divergence);  // of the block before: never worse
    EXPECT_LE(r.blocks[l].loss, r.blocks[l].start_loss);
  }
  EXPECT_TRUE(equal(a->best, b->best));
  // What is said of the end is measured again; the start is back in its place.
  auto again = run(two, few_steps(), silent);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->report.start_divergence, r.start_divergence);
  EXPECT_TRUE(equal(a->best, again->best));
}

TEST_F(DistillBlocks, a_rate_that_destroys_a_layer_leaves_it_as_it_was) {
  Engines e = open_engines(2);
  SilentObserver silent;
  Options wild = few_steps();
  wild.rate = 1000;
  const auto done = run(e, wild, silent);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_TRUE(done->best.empty());
  EXPECT_EQ(done->report.divergence, done->report.start_divergence);
  for (const DistilledBlock& b : done->report.blocks) EXPECT_EQ(b.kept_step, 0);
}

TEST_F(DistillBlocks, interrupted_it_goes_on_to_the_same_bytes) {
  Options options = few_steps();
  SilentObserver silent;
  Engines whole = open_engines(2);
  const auto expected = run(whole, options, silent);
  ASSERT_TRUE(expected.ok());
  options.checkpoint_path = folder_ + "/training";
  {
    Engines e = open_engines(2);
    BlockStopper stopper(2);
    const auto stopped = run(e, options, stopper, &stopper.cancel);
    ASSERT_EQ(stopped.status().code(), StatusCode::cancelled) << stopped.status().message();
  }
  std::ifstream file(options.checkpoint_path, std::ios::binary);
  const std::string checkpoint(std::istreambuf_iterator<char>(file), {});
  Engines e = open_engines(1);
  BlockStopper watcher(100);
  const auto done = run(e, options, watcher);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_TRUE(test::contains(watcher.infos, "2 of 4 blocks")) << watcher.infos;
  EXPECT_TRUE(equal(done->best, expected->best));
  EXPECT_EQ(done->report.divergence, expected->report.divergence);
  // A damaged one, and one of other settings, are said to be so and not taken.
  const auto expect_anew = [&](std::string bytes, const Options& o, std::string_view why) {
    std::ofstream(options.checkpoint_path, std::ios::binary) << bytes;
    BlockStopper seen(1);
    (void)run(e, o, seen, &seen.cancel);
    EXPECT_TRUE(test::contains(seen.warnings, why)) << seen.warnings;
  };
  std::string damaged = checkpoint;
  damaged[damaged.size() - 10] ^= 1;
  expect_anew(damaged, options, "checksum");
  Options other = options;
  other.text.seed = 4;
  expect_anew(checkpoint, other, "another run");
  std::string negative = checkpoint;
  const std::size_t at = negative.find("\\\"rate\\\":1.0");
  ASSERT_NE(at, std::string::npos);
  negative.replace(at, 12, "\\\"rate\\\":-10");
  expect_anew(negative, options, "damaged");
}

TEST_F(DistillBlocks, short_runs_choose_the_rate_of_every_block) {
  Engines e = open_engines(2);
  SilentObserver silent;
  Options options = few_steps();
  options.rate = 0;
  const auto done = run(e, options, silent);
  ASSERT_TRUE(done.ok()) << done.status().message();
  for (const DistilledBlock& b : done->report.blocks) EXPECT_GT(b.rate, 0);
  EXPECT_LT(done->report.divergence, done->report.start_divergence);
}

TEST_F(DistillBlocks, a_source_without_packed_layers_has_nothing_to_train) {
  Engines e = open_engines(1);
  SilentObserver silent;
  const auto refused = distill_blocks(*e.source, *e.source, 4, few_steps(), silent, nullptr);
  EXPECT_EQ(refused.status().code(), StatusCode::invalid_argument);
  EXPECT_TRUE(test::contains(refused.status().message(), "nothing")) << refused.status().message();
}

}  // namespace
}  // namespace jang::distill

// SPDX-License-Identifier: Apache-2.0
// stats.safetensors: round trip, merging, and files that lie.
#include "format/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace jang::format {
namespace {

Statistics example() {
  Statistics s;
  s.model = "0123456789abcdef";
  s.text = "self";
  s.settings = "as asked";
  s.method = "fit";
  s.positions = 100;
  s.inputs["a.q_proj"] = {{1.0f, 2.0f, 0.0f}, {10}};
  s.inputs["a.switch_mlp.up_proj"] = {{1.0f, 2.0f, 3.0f, 4.0f}, {5, 0}};
  s.sensitivities["a.q_proj"] = {{2, 64, 0.1, 0.5}, {4, 64, 0.007, 0.01}};
  s.fisher["a.q_proj"] = {1, {1.0f, 3.0f}, {0.5f, 1.5f, 2.0f}};
  s.fisher["a.switch_mlp.up_proj"] = {2, {1.0f, 0.0f, 0.0f, 0.0f}, {0.25f, 0.75f, 0.0f, 0.0f}};
  s.fisher_positions = 511;
  s.tokens = {1, 2, 3, 4, 5, 6};
  s.window_length = 3;
  return s;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Statistics, reads_back_what_it_wrote) {
  const Statistics s = example();
  const std::string bytes = serialize(s);
  const auto read = parse_statistics(bytes, "test");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->model, s.model);
  EXPECT_EQ(read->text, "self");
  EXPECT_EQ(read->settings, "as asked");
  EXPECT_EQ(read->positions, 100);
  EXPECT_EQ(read->inputs.at("a.q_proj").mean_square, s.inputs.at("a.q_proj").mean_square);
  EXPECT_EQ(read->inputs.at("a.switch_mlp.up_proj").tokens, (std::vector<std::int64_t>{5, 0}));
  EXPECT_EQ(read->inputs.at("a.switch_mlp.up_proj").in(), 2);
  ASSERT_EQ(read->sensitivities.at("a.q_proj").size(), 2u);
  EXPECT_EQ(read->sensitivities.at("a.q_proj")[1].bits, 4);
  EXPECT_FLOAT_EQ(static_cast<float>(read->sensitivities.at("a.q_proj")[1].divergence), 0.01f);
  EXPECT_EQ(read->fisher.at("a.q_proj").columns, s.fisher.at("a.q_proj").columns);
  EXPECT_EQ(read->fisher.at("a.switch_mlp.up_proj").n, 2);
  EXPECT_EQ(read->fisher.at("a.switch_mlp.up_proj").out(), 2);
  EXPECT_EQ(read->fisher_positions, 511);
  EXPECT_EQ(read->tokens, s.tokens);
  EXPECT_EQ(read->window_length, 3);
  EXPECT_EQ(serialize(*read), bytes);
  EXPECT_EQ(read->digest.size(), 16u);
}

TEST(Statistics, digest_changes_with_a_value) {
  Statistics other = example();
  other.inputs["a.q_proj"].mean_square[0] = 1.5f;
  const auto a = parse_statistics(serialize(example()), "a"), b = parse_statistics(serialize(other), "b");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->digest, b->digest);
}

TEST(Statistics, every_truncation_is_corrupt) {
  const std::string bytes = serialize(example());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto read = parse_statistics(std::string_view(bytes).substr(0, n), "cut");
    ASSERT_FALSE(read.ok()) << n;
    EXPECT_EQ(read.status().code(), StatusCode::corrupt) << n;
  }
}

TEST(Statistics, edited_headers_are_refused) {
  const std::string bytes = serialize(example());
  const std::pair<const char*, const char*> edits[] = {
      {"\"jang_statistics\":\"1\"", "\"jang_statistics\":\"2\""},
      {"\"positions\":\"100\"", "\"positions\":\"-10\""},
      {"a.q_proj.tokens", "a.q_proj.tokenz"},
      {"a.q_proj.sensitivity", "a.q_proj.sensitivitz"},
      {"a.q_proj.fisher_rows", "a.q_proj.fisher_rowz"},
      {"a.q_proj.fisher_columns", "a.q_proj.fisher_columnz"},
      {"\"fisher_positions\":\"511\"", "\"fisher_positions\":\"000\""},
      {"\"fisher_positions\"", "\"fisher_pozitions\""},
      {"text.tokens\":{\"dtype\":\"I32\"", "text.tokens\":{\"dtype\":\"F32\""},
  };
  for (const auto& [from, to] : edits) EXPECT_FALSE(parse_statistics(replaced(bytes, from, to), "edited").ok()) << to;
}

// Sources may repeat a key of their metadata; here the keys decide what is done with weights.
TEST(Statistics, repeated_keys_are_refused) {
  const Status status = parse_statistics(replaced(serialize(example()), "\"method\"", "\"format\""), "edited").status();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("\"format\" occurs twice"), std::string::npos) << status.message();
}

TEST(Statistics, impossible_values_are_refused) {
  const auto refused = [](auto change) {
    Statistics s = example();
    change(s);
    return !parse_statistics(serialize(s), "bad").ok();
  };
  EXPECT_TRUE(refused([](Statistics& s) { s.inputs["a.q_proj"].mean_square[1] = -1.0f; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.inputs["a.q_proj"].mean_square[1] = std::numeric_limits<float>::quiet_NaN(); }));
  EXPECT_TRUE(refused([](Statistics& s) { s.inputs["a.q_proj"].tokens[0] = -1; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.sensitivities["a.q_proj"][0].bits = 7; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.sensitivities["a.q_proj"][0].group_size = 48; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.sensitivities["a.q_proj"][0].divergence = -0.1; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.tokens[0] = -5; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.fisher["a.q_proj"].rows[0] = -1; }));
  EXPECT_TRUE(refused([](Statistics& s) { s.fisher["a.q_proj"].columns[2] = std::numeric_limits<float>::infinity(); }));
  EXPECT_TRUE(refused([](Statistics& s) { s.fisher["a.q_proj"].rows.clear(); }));
  EXPECT_FALSE(refused([](Statistics& s) { s.fisher.clear(); })) << "statistics without gradients are statistics";
}

TEST(Statistics, merge_weights_by_what_was_seen) {
  Statistics a = example(), b = example();
  b.inputs["a.q_proj"] = {{4.0f, 2.0f, 3.0f}, {30}};
  b.inputs["b.o_proj"] = {{1.0f}, {1}};
  b.positions = 300;
  b.sensitivities["a.q_proj"][0].divergence = 0.9;
  ASSERT_TRUE(merge(b, &a).ok());
  EXPECT_FLOAT_EQ(a.inputs["a.q_proj"].mean_square[0], (10 * 1.0f + 30 * 4.0f) / 40);
  EXPECT_EQ(a.inputs["a.q_proj"].tokens[0], 40);
  EXPECT_EQ(a.inputs["a.switch_mlp.up_proj"].tokens[1], 0);
  EXPECT_FLOAT_EQ(a.inputs["a.switch_mlp.up_proj"].mean_square[2], 3.0f);
  EXPECT_TRUE(a.inputs.contains("b.o_proj"));
  EXPECT_NEAR(a.sensitivities["a.q_proj"][0].divergence, (100 * 0.5 + 300 * 0.9) / 400, 1e-12);
  EXPECT_EQ(a.positions, 400);
  EXPECT_EQ(a.fisher["a.q_proj"].rows, (std::vector<float>{2.0f, 6.0f}));
  EXPECT_EQ(a.fisher["a.switch_mlp.up_proj"].columns, (std::vector<float>{0.5f, 1.5f, 0.0f, 0.0f}));
  EXPECT_EQ(a.fisher_positions, 1022);
  EXPECT_EQ(a.tokens.size(), 12u);
}

TEST(Statistics, windows_that_were_measured_on_are_kept_apart_from_the_text) {
  Statistics s = example();
  EXPECT_EQ(parse_statistics(serialize(s), "all")->measured_windows, 0);
  s.measured_windows = 1;
  const std::string bytes = serialize(s);
  EXPECT_EQ(parse_statistics(bytes, "one")->measured_windows, 1);
  for (const char* bad : {"x", "-"})
    EXPECT_FALSE(
        parse_statistics(replaced(bytes, "\"measured_windows\":\"1\"", "\"measured_windows\":\"" + std::string(bad) + "\""), bad).ok());
  // Merged, those of the first file stay, be they some or all of its text.
  Statistics all = example();
  ASSERT_TRUE(merge(s, &all).ok());
  EXPECT_EQ(all.measured_windows, 2);
  ASSERT_TRUE(merge(example(), &s).ok());
  EXPECT_EQ(s.measured_windows, 1);
}

TEST(Statistics, merge_of_another_model_is_refused) {
  Statistics a = example(), b = example();
  b.model = "other";
  EXPECT_EQ(merge(b, &a).code(), StatusCode::invalid_argument);
  b = example();
  b.inputs["a.q_proj"] = {{1.0f}, {1}};
  EXPECT_EQ(merge(b, &a).code(), StatusCode::invalid_argument);
  b = example();
  b.fisher["a.q_proj"].rows.push_back(1.0f);
  EXPECT_EQ(merge(b, &a).code(), StatusCode::invalid_argument);
}

TEST(Statistics, file_is_replaced_whole) {
  const std::string path = (std::filesystem::temp_directory_path() / "jang_statistics_test.safetensors").string();
  std::filesystem::remove(path);
  ASSERT_TRUE(write_statistics(example(), path).ok());
  Statistics other = example();
  other.text = "file";
  ASSERT_TRUE(write_statistics(other, path).ok());
  const auto read = read_statistics(path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->text, "file");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace jang::format

// SPDX-License-Identifier: Apache-2.0
// Model directories: single file, shards with and without an index, the disagreements between index and files, hostile index values, the
// causes named for folders that are no model. Also the whole of a small directory, one byte at a time.
#include "format/checkpoint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "format/safetensors.h"
#include "temp_folder.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public TempFolder {
 protected:
  // A safetensors file of one-dimensional u8 tensors; each payload repeats the last letter of the tensor's name.
  void put_weights(const std::string& name, const std::vector<std::string>& tensors, std::int64_t length = 4) const {
    std::vector<TensorInfo> infos;
    std::string payload;
    for (const std::string& t : tensors) {
      infos.push_back({t, DType::u8, {length}});
      payload += std::string(static_cast<std::size_t>(length), t.back());
    }
    put(name, make_safetensors_header(infos, {}) + payload);
  }
  // One tensor of other values than put_weights gives it.
  void put_other(const std::string& name, const std::string& tensor) const {
    put(name, make_safetensors_header({{tensor, DType::u8, {4}}}, {}) + "????");
  }
  [[nodiscard]] bool warns(std::string_view text, const OpenOptions& options = {}) const {
    const auto c = Checkpoint::open(root_.string(), options);
    if (!c.ok()) return false;
    return std::any_of(c->warnings().begin(), c->warnings().end(), [&](const std::string& w) { return w.find(text) != std::string::npos; });
  }
  void put_index(const std::map<std::string, std::string>& weights) const {
    json::Value map = json::Value::object();
    for (const auto& [tensor, file] : weights) map[tensor] = file;
    put("model.safetensors.index.json", json::dump(json::Value{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}, 2));
  }
  [[nodiscard]] Result<Checkpoint> open() const { return Checkpoint::open(root_.string()); }
  [[nodiscard]] std::string error() const { return open().status().message(); }
  [[nodiscard]] StatusCode code() const { return open().status().code(); }
  [[nodiscard]] bool error_says(std::string_view text) const { return error().find(text) != std::string::npos; }
};

std::string read_all(const Checkpoint& c, std::string_view name) {
  const int i = c.find(name);
  if (i < 0) return "absent";
  const StoredTensor& t = c.tensors()[static_cast<std::size_t>(i)];
  std::string out(static_cast<std::size_t>(t.info.bytes()), '?');
  const Status s = c.read(t, 0, std::as_writable_bytes(std::span(out)));
  return s.ok() ? out : s.message();
}

TEST_F(CheckpointTest, single_file_opens_and_reads) {
  put("config.json", R"({"model_type":"llama"})");
  put_weights("model.safetensors", {"w.b", "w.a", "x.c"});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->path(), root_.string());
  EXPECT_EQ(c->config().at("model_type"), "llama");
  ASSERT_EQ(c->tensors().size(), 3u);
  EXPECT_EQ(c->tensors()[0].info.name, "w.a");
  EXPECT_EQ(read_all(*c, "w.a"), "aaaa");
  EXPECT_EQ(read_all(*c, "w.b"), "bbbb");
  EXPECT_EQ(read_all(*c, "x.c"), "cccc");
  for (const char* absent : {"w", "w.aa", "", "z"}) EXPECT_EQ(c->find(absent), -1) << absent;
  EXPECT_EQ(c->file_bytes(), fs::file_size(root_ / "model.safetensors"));
  EXPECT_TRUE(c->check_unchanged().ok());
  std::string middle(2, '?');
  ASSERT_TRUE(c->read(c->tensors()[0], 1, std::as_writable_bytes(std::span(middle))).ok());
  EXPECT_EQ(middle, "aa");
}

TEST_F(CheckpointTest, shards_open_by_index_and_the_index_decides_which_files_count) {
  put("config.json", "{}");
  put_weights("model-00001-of-00002.safetensors", {"a", "b"});
  put_weights("model-00002-of-00002.safetensors", {"c"});
  put_weights("consolidated.safetensors", {"layers.0.a"});
  put_index(
      {{"c", "model-00002-of-00002.safetensors"}, {"a", "model-00001-of-00002.safetensors"}, {"b", "model-00001-of-00002.safetensors"}});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->files().size(), 2u);
  EXPECT_EQ(c->tensors().size(), 3u);
  EXPECT_EQ(read_all(*c, "c"), "cccc");
}

TEST_F(CheckpointTest, shards_open_without_an_index) {
  put("config.json", "{}");
  put_weights("model-00001-of-00002.safetensors", {"a"});
  put_weights("model-00002-of-00002.safetensors", {"b"});
  put_weights("consolidated.00.safetensors", {"layers.0.a"});
  put_weights(".hidden.safetensors", {"h"});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->tensors().size(), 2u);
  fs::remove(root_ / "model-00001-of-00002.safetensors");
  EXPECT_EQ(code(), StatusCode::not_found);
  EXPECT_TRUE(error_says("1 of the 2 files")) << error();
}

TEST_F(CheckpointTest, consolidated_file_alone_is_used) {
  put("config.json", "{}");
  put_weights("consolidated.safetensors", {"a"});
  EXPECT_TRUE(open().ok());
}

TEST_F(CheckpointTest, one_tensor_in_two_files_is_corrupt_unless_both_hold_the_same) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a", "b"});
  put_weights("model-copy.safetensors", {"b"});
  EXPECT_TRUE(warns("stored twice with the same values: \"b\"")) << error();
  put_other("model-copy.safetensors", "b");
  EXPECT_EQ(code(), StatusCode::corrupt);
  EXPECT_TRUE(error_says("tensor \"b\" is stored in both 'model-copy.safetensors' and 'model.safetensors'")) << error();
  EXPECT_TRUE(error_says("take what 'model.safetensors' has with --lenient")) << error();
  put_index({{"a", "model.safetensors"}, {"b", "model-copy.safetensors"}});
  EXPECT_EQ(code(), StatusCode::corrupt) << "an index does not make another copy harmless";
  EXPECT_TRUE(error_says("take what 'model-copy.safetensors' has with --lenient")) << error();
  const auto lenient = Checkpoint::open(root_.string(), {.lenient = true});
  ASSERT_TRUE(lenient.ok()) << lenient.status().message();
  EXPECT_EQ(read_all(*lenient, "b"), "????") << "what the index names";
  EXPECT_TRUE(warns("different values", {.lenient = true}));
}

TEST_F(CheckpointTest, copies_of_equal_rank_and_other_values_are_corrupt_even_leniently) {
  put("config.json", "{}");
  put_weights("model-00001-of-00002.safetensors", {"a"});
  put_other("model-00002-of-00002.safetensors", "a");
  for (const bool lenient : {false, true})
    EXPECT_EQ(Checkpoint::open(root_.string(), {.lenient = lenient}).status().code(), StatusCode::corrupt);
  EXPECT_FALSE(error_says("--lenient")) << error();
  put("model-00002-of-00002.safetensors", make_safetensors_header({{"a", DType::u8, {2, 2}}}, {}) + "aaaa");
  EXPECT_EQ(code(), StatusCode::corrupt) << "the same bytes in another shape";
  put("model-00002-of-00002.safetensors", make_safetensors_header({{"a", DType::i8, {4}}}, {}) + "aaaa");
  EXPECT_EQ(code(), StatusCode::corrupt) << "the same bytes of another type";
}

TEST_F(CheckpointTest, long_copies_are_compared_to_the_last_byte) {
  put("config.json", "{}");
  constexpr std::int64_t kLength = (1 << 20) + 5;
  put_weights("model-00001-of-00002.safetensors", {"a"}, kLength);
  put_weights("model-00002-of-00002.safetensors", {"a"}, kLength);
  EXPECT_TRUE(open().ok()) << error();
  std::fstream file(root_ / "model-00002-of-00002.safetensors", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-1, std::ios::end);
  file << 'x';
  file.close();
  EXPECT_EQ(code(), StatusCode::corrupt);
}

TEST_F(CheckpointTest, stray_files_without_an_index_do_not_count) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a", "b"});
  put_weights("adapters.safetensors", {"q_proj.lora_a"});
  put_weights("optimizer-00001-of-00003.safetensors", {"state"});
  put_weights("original/consolidated.safetensors", {"tok_embeddings"});
  put_other("extra.safetensors", "b");
  put_weights("zero.safetensors", {"z"});
  put("notes.safetensors", "not a safetensors file");
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(read_all(*c, "b"), "bbbb");
  EXPECT_EQ(c->find("q_proj.lora_a"), -1);
  EXPECT_EQ(c->find("state"), -1);
  ASSERT_GE(c->find("z"), 0);
  EXPECT_EQ(c->tensors()[static_cast<std::size_t>(c->find("z"))].info.standing, Standing::stray);
  EXPECT_EQ(c->tensors()[static_cast<std::size_t>(c->find("a"))].info.standing, Standing::listed);
  EXPECT_TRUE(c->warnings().empty()) << c->warnings().front();
  EXPECT_TRUE(c->check_unchanged().ok());
}

TEST_F(CheckpointTest, model_files_beside_model_safetensors_are_unlisted_and_must_open) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a"});
  put_weights("model-00001-of-00002.safetensors", {"b"});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->tensors()[static_cast<std::size_t>(c->find("b"))].info.standing, Standing::unlisted);
  put("model-00001-of-00002.safetensors", "broken");
  EXPECT_EQ(code(), StatusCode::corrupt) << "mlx-lm would read it";
}

TEST_F(CheckpointTest, files_of_another_name_are_the_model_when_there_is_nothing_else) {
  put("config.json", "{}");
  put_weights("weights.00.safetensors", {"a"});
  put_weights("weights.01.safetensors", {"b"});
  put_weights("adapters.safetensors", {"lora"});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->tensors().size(), 2u);
  EXPECT_EQ(c->tensors()[0].info.standing, Standing::listed);
}

TEST_F(CheckpointTest, index_and_files_may_disagree_where_every_tensor_has_one_place) {
  put("config.json", "{}");
  put_weights("m1.safetensors", {"a", "b"});
  put_weights("m2.safetensors", {"c"});
  const std::map<std::string, std::string> right = {{"a", "m1.safetensors"}, {"b", "m1.safetensors"}, {"c", "m2.safetensors"}};
  put_index(right);
  ASSERT_TRUE(open().ok()) << error();
  EXPECT_TRUE(open()->warnings().empty());
  EXPECT_TRUE(open()->missing().ok());

  auto wrong = right;
  wrong["d"] = "m2.safetensors";
  put_index(wrong);
  EXPECT_TRUE(warns("the index promises tensors that no file has: \"d\"")) << error();
  EXPECT_EQ(open()->missing().code(), StatusCode::corrupt);

  wrong = right;
  wrong["b"] = "m2.safetensors";
  put_index(wrong);
  EXPECT_TRUE(warns("another file than the index says: \"b\"")) << error();
  EXPECT_EQ(read_all(*open(), "b"), "bbbb");
  EXPECT_TRUE(open()->missing().ok());

  wrong = right;
  wrong.erase("a");
  put_index(wrong);
  EXPECT_TRUE(warns("not in the index: \"a\"")) << error();
  EXPECT_EQ(open()->tensors()[0].info.standing, Standing::unlisted);
  EXPECT_EQ(open()->tensors()[1].info.standing, Standing::listed);
}

TEST_F(CheckpointTest, a_tensor_in_two_shards_is_taken_from_the_one_the_index_names) {
  put("config.json", "{}");
  put_weights("m1.safetensors", {"a", "b"});
  put_weights("m2.safetensors", {"b", "c"});
  put_index({{"a", "m1.safetensors"}, {"b", "m2.safetensors"}, {"c", "m2.safetensors"}});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->tensors()[static_cast<std::size_t>(c->find("b"))].file, 1);
  EXPECT_EQ(c->tensors().size(), 3u);
}

TEST_F(CheckpointTest, missing_shards_are_counted_and_named) {
  put("config.json", "{}");
  put_weights("m1.safetensors", {"a"});
  fs::create_symlink("../blobs/gone", root_ / "m2.safetensors");
  put_index({{"a", "m1.safetensors"}, {"b", "m2.safetensors"}, {"c", "m3.safetensors"}});
  const auto c = open();
  ASSERT_TRUE(c.ok()) << "whether they matter, the model knows: " << c.status().message();
  EXPECT_EQ(c->missing().code(), StatusCode::not_found);
  EXPECT_NE(c->missing().message().find("2 of the 3 files"), std::string::npos) << c->missing().message();
  EXPECT_NE(c->missing().message().find("\"m2.safetensors\", \"m3.safetensors\""), std::string::npos) << c->missing().message();
  EXPECT_TRUE(warns("2 of the 3 files"));
  fs::remove(root_ / "m1.safetensors");
  EXPECT_EQ(code(), StatusCode::not_found) << "nothing left to read";
  EXPECT_TRUE(error_says("3 of the 3 files")) << error();
}

TEST_F(CheckpointTest, what_is_missing_is_settled_by_the_model) {
  put("config.json", "{}");
  put_weights("m1.safetensors", {"a"});
  put_index({{"a", "m1.safetensors"}, {"b", "m2.safetensors"}});
  const auto c = open();
  ASSERT_TRUE(c.ok());
  EXPECT_TRUE(c->settle({}, true).ok()) << "every tensor of the model is there";
  EXPECT_EQ(c->settle({}, false).code(), StatusCode::not_found) << "nobody can tell";
  EXPECT_NE(c->settle({}, false).message().find("--lenient"), std::string::npos);
  const Status needed = c->settle({StatusCode::corrupt, "tensor 'b' is missing"}, true);
  EXPECT_EQ(needed.code(), StatusCode::not_found);
  EXPECT_NE(needed.message().find("1 of the 2 files"), std::string::npos);
  EXPECT_NE(needed.message().find("tensor 'b' is missing"), std::string::npos);
  EXPECT_EQ(c->settle({StatusCode::unsupported, "x"}, true).message(), "x");
  EXPECT_TRUE(Checkpoint::open(root_.string(), {.lenient = true})->settle({}, false).ok());
}

TEST_F(CheckpointTest, model_safetensors_stands_in_for_an_index_that_cannot_be_used) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a", "b"});
  put_index({{"a", "model-00001-of-00002.safetensors"}, {"b", "model-00002-of-00002.safetensors"}});
  EXPECT_TRUE(warns("model.safetensors is read instead")) << error();
  put_weights("model-00001-of-00002.safetensors", {"a"});
  EXPECT_TRUE(warns("model.safetensors is read instead")) << "a shard left over from before: " << error();
  EXPECT_EQ(open()->files().size(), 1u);
  put_weights("model-00002-of-00002.safetensors", {"b"});
  EXPECT_TRUE(warns("does not name model.safetensors, which is left out")) << error();
  EXPECT_EQ(open()->files().size(), 2u) << "an index whose files are all there decides";
  for (const char* index : {"{}", "", R"({"weight_map":{}})", R"({"weight_map":{"a":"../model.safetensors"}})"}) {
    put("model.safetensors.index.json", index);
    EXPECT_TRUE(warns("model.safetensors is read instead")) << index << error();
  }
  fs::remove(root_ / "model.safetensors");
  EXPECT_EQ(code(), StatusCode::corrupt) << "with nothing to stand in";
}

TEST_F(CheckpointTest, files_the_index_does_not_name_are_read_leniently_only) {
  put("config.json", "{}");
  put_weights("model-00001-of-00002.safetensors", {"a"});
  put_weights("model-00002-of-00003.safetensors", {"b"});
  put_weights("other.safetensors", {"c"});
  put_index({{"a", "model-00001-of-00002.safetensors"}, {"b", "model-00002-of-00002.safetensors"}});
  EXPECT_EQ(open()->find("b"), -1) << "it may be a shard of another model";
  const auto c = Checkpoint::open(root_.string(), {.lenient = true});
  ASSERT_TRUE(c.ok());
  ASSERT_GE(c->find("b"), 0);
  EXPECT_EQ(c->tensors()[static_cast<std::size_t>(c->find("b"))].info.standing, Standing::stray);
  EXPECT_EQ(c->find("c"), -1);
}

TEST_F(CheckpointTest, shards_may_be_links_but_only_to_regular_files) {
  put("model/config.json", "{}");
  put_weights("blobs/0123", {"a"});
  fs::create_symlink("../blobs/0123", root_ / "model/model.safetensors");
  const auto c = Checkpoint::open((root_ / "model").string());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(read_all(*c, "a"), "aaaa");
  fs::remove(root_ / "model/model.safetensors");
  fs::create_symlink("/dev/zero", root_ / "model/model.safetensors");
  EXPECT_EQ(Checkpoint::open((root_ / "model").string()).status().code(), StatusCode::invalid_argument);
  fs::remove(root_ / "model/model.safetensors");
  ASSERT_EQ(::mkfifo((root_ / "model/model.safetensors").c_str(), 0600), 0);
  EXPECT_EQ(Checkpoint::open((root_ / "model").string()).status().code(), StatusCode::invalid_argument) << "a pipe must not block";
}

TEST_F(CheckpointTest, config_must_be_an_object_that_python_reads) {
  put_weights("model.safetensors", {"a"});
  for (const char* text : {"", "[]", "1", "{", "NaN", "{} x", R"({"a":nan})"}) {
    put("config.json", text);
    EXPECT_EQ(code(), StatusCode::corrupt) << text;
    EXPECT_TRUE(error_says("config.json")) << error();
  }
}

TEST_F(CheckpointTest, config_is_read_as_python_reads_it) {
  put_weights("model.safetensors", {"a"});
  put("config.json",
      "\xef\xbb\xbf"
      R"({"use_cache":true,"limit":[0.0,Infinity],"big":1000000000000000000000,"use_cache":false,"x":NaN})");
  const auto c = open();
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->config().at("use_cache"), false);
  EXPECT_TRUE(warns("keys occur twice, the last value counts: \"use_cache\""));
}

TEST_F(CheckpointTest, config_that_git_has_not_fetched_is_called_that) {
  put_weights("model.safetensors", {"a"});
  put("config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 17\n");
  const Status status = Checkpoint::open(root_.string()).status();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("config.json is a Git LFS pointer"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("git lfs pull"), std::string::npos) << status.message();
  EXPECT_EQ(status.message().find("JSON"), std::string::npos) << status.message();
}

TEST_F(CheckpointTest, repeated_keys_of_metadata_are_told_and_the_last_value_counts) {
  put("config.json", "{}");
  const std::string header = R"({"__metadata__":{"format":"pt","format":"mlx"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  put("model.safetensors", length + header + "x");
  const auto c = Checkpoint::open(root_.string());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->file_format(), "mlx");
  EXPECT_TRUE(warns("keys occur twice in __metadata__, the last value counts: \"format\""));
}

TEST_F(CheckpointTest, the_format_of_files_is_that_on_which_they_agree) {
  put("config.json", "{}");
  const auto put_file = [&](const std::string& name, const std::string& tensor, const std::string& format) {
    put(name, make_safetensors_header({{tensor, DType::u8, {1}}}, {{"format", format}}) + "x");
  };
  const auto format = [&] {
    const auto c = Checkpoint::open(root_.string());
    return c.ok() ? c->file_format() : c.status().message();
  };
  put_file("model-00001-of-00002.safetensors", "a", "pt");
  put_file("model-00002-of-00002.safetensors", "b", "pt");
  EXPECT_EQ(format(), "pt");
  put_file("model-00002-of-00002.safetensors", "b", "mlx");
  EXPECT_EQ(format(), "");
}

TEST_F(CheckpointTest, truncated_weights_are_corrupt_and_named) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a", "b"});
  fs::resize_file(root_ / "model.safetensors", fs::file_size(root_ / "model.safetensors") - 1);
  EXPECT_EQ(code(), StatusCode::corrupt);
  EXPECT_TRUE(error_says("model.safetensors")) << error();
  EXPECT_TRUE(error_says("tensor \"b\"")) << error();
  EXPECT_TRUE(error_says("truncated")) << error();
}

TEST_F(CheckpointTest, a_file_cut_after_opening_is_an_error_that_names_the_tensor) {
  put("config.json", "{}");
  put_weights("model.safetensors", {"a", "b"});
  const auto c = open();
  ASSERT_TRUE(c.ok());
  fs::resize_file(root_ / "model.safetensors", fs::file_size(root_ / "model.safetensors") - 2);
  EXPECT_EQ(read_all(*c, "a"), "aaaa");
  EXPECT_EQ(read_all(*c, "b").find("tensor \"b\": "), 0u) << read_all(*c, "b");
  EXPECT_EQ(c->check_unchanged().code(), StatusCode::corrupt);
}

TEST_F(CheckpointTest, folders_that_are_no_model_get_their_likely_cause) {
  EXPECT_EQ(code(), StatusCode::not_found);
  EXPECT_TRUE(error_says("empty")) << error();
  EXPECT_EQ(Checkpoint::open((root_ / "nothing").string()).status().code(), StatusCode::not_found);

  put("README.md", "x");
  put("model-a/config.json", "{}");
  put("snapshots/0123/config.json", "{}");
  EXPECT_TRUE(error_says("no config.json")) << error();
  EXPECT_TRUE(error_says("\"model-a\", \"snapshots/0123\"")) << error();
  EXPECT_EQ(Checkpoint::open((root_ / "README.md").string()).status().code(), StatusCode::invalid_argument);
}

TEST_F(CheckpointTest, folders_without_safetensors_get_their_likely_cause) {
  put("config.json", "{}");
  EXPECT_TRUE(error_says("no .safetensors file")) << error();
  EXPECT_EQ(code(), StatusCode::not_found);
  put("model.gguf", "GGUF");
  EXPECT_TRUE(error_says("GGUF")) << error();
  put("pytorch_model.bin", "PK");
  EXPECT_TRUE(error_says("pickle")) << error();
  put("model.safetensors.incomplete", "");
  EXPECT_TRUE(error_says("interrupted")) << error();
  put("adapter_config.json", "{}");
  EXPECT_TRUE(error_says("LoRA")) << error();
}

TEST_F(CheckpointTest, every_flipped_byte_gives_a_typed_error_or_a_correct_load) {
  put("config.json", R"({"model_type":"llama"})");
  put_weights("m1.safetensors", {"a", "b"});
  put_index({{"a", "m1.safetensors"}, {"b", "m1.safetensors"}});
  for (const char* name : {"config.json", "m1.safetensors", "model.safetensors.index.json"}) {
    std::string bytes;
    {
      std::ifstream in(root_ / name, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    int refused = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ 0x04);
      put(name, flipped);
      const auto c = open();
      const bool whole = c.ok() && c->settle({}, false).ok();  // a model that knows its tensors may allow more; it asks for each of them
      refused += whole ? 0 : 1;
      if (whole) {
        ASSERT_EQ(c->tensors().size(), 2u) << name << " byte " << i;
        ASSERT_EQ(read_all(*c, "a").size(), 4u) << name << " byte " << i;
      } else {
        const StatusCode code = (c.ok() ? c->missing() : c.status()).code();
        ASSERT_TRUE(code == StatusCode::corrupt || code == StatusCode::not_found) << name << " byte " << i;
      }
      put(name, bytes.substr(0, i));  // and every truncation
      ASSERT_FALSE(open().ok()) << name << " cut to " << i;
    }
    put(name, bytes);
    EXPECT_GT(refused, 5) << name;
  }
  EXPECT_TRUE(open().ok());
}

TEST(CheckpointIndexTest, sorts_and_deduplicates) {
  const auto index =
      parse_index(R"({"metadata":{"total_size":7},"weight_map":{"z":"b.safetensors","a":"c.safetensors","m":"b.safetensors"},"x":1})", "i");
  ASSERT_TRUE(index.ok()) << index.status().message();
  EXPECT_EQ(index->files, (std::vector<std::string>{"b.safetensors", "c.safetensors"}));
  EXPECT_EQ(index->weights, (std::vector<std::pair<std::string, int>>{{"a", 1}, {"m", 0}, {"z", 0}}));
  EXPECT_EQ(index->total_size, std::uint64_t{7});
}

TEST(CheckpointIndexTest, python_numbers_do_not_matter_and_repeated_keys_only_leniently) {
  const std::string numbers = R"({"metadata":{"total_size":1e999,"loss":NaN},"weight_map":{"a":"m.safetensors"}})";
  EXPECT_TRUE(parse_index("\xef\xbb\xbf" + numbers, "i").ok());
  const std::string twice = R"({"weight_map":{"a":"m.safetensors","a":"n.safetensors"}})";
  EXPECT_EQ(parse_index(twice, "i").status().code(), StatusCode::corrupt);
  const auto lenient = parse_index(twice, "i", true);
  ASSERT_TRUE(lenient.ok());
  EXPECT_EQ(lenient->files, (std::vector<std::string>{"n.safetensors"}));
}

TEST(CheckpointIndexTest, total_size_in_other_spellings_is_ignored) {
  for (const char* metadata : {"{}", "null", "[]", R"({"total_size":1.5e9})", R"({"total_size":-1})", R"({"total_size":"7"})"}) {
    const auto index = parse_index(fmt::format(R"({{"metadata":{},"weight_map":{{"a":"m.safetensors"}}}})", metadata), "i");
    ASSERT_TRUE(index.ok()) << metadata;
    EXPECT_FALSE(index->total_size.has_value()) << metadata;
  }
}

TEST(CheckpointIndexTest, values_are_bare_visible_safetensors_names) {
  const auto with = [](const std::string& value) {
    return parse_index(json::dump(json::Value{{"weight_map", {{"a", value}}}}), "index").status();
  };
  EXPECT_TRUE(with("m.safetensors").ok());
  EXPECT_TRUE(with("a b..c.safetensors").ok());
  const std::vector<std::string> hostile = {"",
                                            ".",
                                            "..",
                                            ".safetensors",
                                            ".m.safetensors",
                                            "/etc/m.safetensors",
                                            "../m.safetensors",
                                            "a/m.safetensors",
                                            "a\\m.safetensors",
                                            "m.bin",
                                            "m.safetensors/",
                                            "m.safetensors\n",
                                            "m\n.safetensors",
                                            "safetensors",
                                            std::string("m\0.safetensors", 14),
                                            std::string(300, 'm') + ".safetensors"};
  for (const std::string& value : hostile) {
    EXPECT_EQ(with(value).code(), StatusCode::corrupt) << value;
    EXPECT_NE(with(value).message().find("index: tensor \"a\": "), std::string::npos) << with(value).message();
  }
}

TEST(CheckpointIndexTest, structure_is_checked) {
  for (const char* text :
       {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":null}})",
        R"({"weight_map":{"a":["m.safetensors"]}})", R"({"weight_map":{"":"m.safetensors"}})",
        R"({"weight_map":{"a\u0000":"m.safetensors"}})", R"({"weight_map":{"a":"m.safetensors","a":"n.safetensors"}})",
        R"({"weight_map":{"a":"m.safetensors"},"weight_map":{"b":"m.safetensors"}})",
        R"({"metadata":[[[[1]]]],"weight_map":{"a":"m.safetensors"}})"})
    EXPECT_EQ(parse_index(text, "i").status().code(), StatusCode::corrupt) << text;
}

// Real checkpoints: every one opens, and its tensors cover the payloads.
TEST(CheckpointReal, reference_models_open) {
  const char* models = std::getenv("JANG_TEST_MODELS");
  if (models == nullptr) GTEST_SKIP() << "JANG_TEST_MODELS is not set: no real checkpoint was opened";
  int opened = 0;
  for (const auto& entry : fs::directory_iterator(models)) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    const auto c = Checkpoint::open(entry.path().string());
    ASSERT_TRUE(c.ok()) << c.status().message();
    EXPECT_FALSE(c->tensors().empty()) << entry.path();
    std::uint64_t payload = 0;
    for (const StoredTensor& t : c->tensors()) payload += static_cast<std::uint64_t>(t.info.bytes());
    EXPECT_GT(payload, c->file_bytes() * 9 / 10) << entry.path();
    EXPECT_LT(payload, c->file_bytes()) << entry.path();
    ++opened;
  }
  EXPECT_GT(opened, 0) << "no model in " << models;
}

}  // namespace
}  // namespace jang::format

// SPDX-License-Identifier: Apache-2.0
// Directories that transformers and mlx-lm read although something about them is odd, given to the built program: the inputs of reported
// faults (tests/data/bugs) and neighbours of them. What is converted must be the very bytes that the tidy directory gives, and what was odd
// must be told; where bytes that decide weights are at stake the program still refuses.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "../support/program.h"
#include "json/json.h"

namespace jang::cli {
namespace {

using namespace jang::test;

const fs::path kBugs = fs::path(source_dir()) / "tests" / "data" / "bugs";
constexpr const char* kIndex = "model.safetensors.index.json";

void write_file(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Puts members in front of those that the object in `path` has.
void add_members(const fs::path& path, const std::string& members) {
  const std::string text = read_file(path);
  write_file(path, "{" + members + "," + text.substr(text.find('{') + 1));
}

void edit_index(const fs::path& model, const std::function<void(json::Value&)>& edit) {
  json::Value index = *json::parse_file((model / kIndex).string());
  edit(index);
  write_file(model / kIndex, json::dump(index));
}

class Readers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_readers_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  // `words` are shell words. Runs in the test's directory.
  ProgramOutcome run(const std::string& words, const std::string& environment = "") const {
    const std::string command = "cd '" + dir_.string() +
                                "' && env -u HF_HUB_CACHE -u HUGGINGFACE_HUB_CACHE -u HF_HOME -u XDG_CACHE_HOME HOME='" + dir_.string() +
                                "' " + environment + " '" + kProgram + "' " + words + " >out.txt 2>err.txt";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(dir_ / "out.txt"), read_file(dir_ / "err.txt")};
  }
  // A writable copy of a reported input, under the name `model`.
  fs::path copy(const std::string& bug, const std::string& name = "model") const {
    fs::remove_all(dir_ / name);
    fs::copy(kBugs / bug / "model", dir_ / name, fs::copy_options::recursive);
    return dir_ / name;
  }
  // Bytes of all weights of a bundle, by file.
  static std::map<std::string, std::string> weights(const fs::path& bundle) {
    std::map<std::string, std::string> files;
    for (const auto& e : fs::directory_iterator(bundle))
      if (e.path().extension() == ".safetensors") files[e.path().filename().string()] = read_file(e.path());
    return files;
  }
  std::map<std::string, std::string> converted(const std::string& model, const std::string& options = "") const {
    fs::remove_all(dir_ / "bundle");
    const ProgramOutcome done = run("convert " + model + " -o bundle -p 4 --progress off " + options);
    EXPECT_EQ(done.code, 0) << model << done.err;
    if (done.code != 0) return {};
    EXPECT_EQ(run("validate bundle").code, 0) << model << read_file(dir_ / "out.txt");
    return weights(dir_ / "bundle");
  }

  fs::path dir_;
};

TEST_F(Readers, tokenizer_config_with_an_integer_beyond_64_bits_renders) {
  copy("01-model-max-length-1e30");
  const ProgramOutcome done = run("template model");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_FALSE(done.out.empty());
  const std::string expected = done.out;
  for (const char* members : {R"("a": Infinity)", R"("a": -Infinity, "b": NaN)", R"("a": 1e400, "b": -1e999)", R"("a": 1, "a": 2)"}) {
    add_members(copy("01-model-max-length-1e30") / "tokenizer_config.json", members);
    EXPECT_EQ(run("template model").out, expected) << members;
  }
  write_file(dir_ / "model" / "tokenizer_config.json",
             "\xef\xbb\xbf" + read_file(kBugs / "01-model-max-length-1e30/model/tokenizer_config.json"));
  EXPECT_EQ(run("template model").out, expected) << "byte order mark";
}

// What a conversion advises next must work: no command for a text that the loader cannot read.
TEST_F(Readers, only_commands_that_work_are_advised) {
  const auto advises = [&](const std::string& command) {
    fs::remove_all(dir_ / "bundle");
    const ProgramOutcome done = run("convert model -o bundle -p 4 --progress off");
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("jang validate"), std::string::npos) << done.out;
    return done.out.find(command) != std::string::npos;
  };
  copy("17-trailing-slash-name");
  EXPECT_TRUE(advises("jang run"));
  EXPECT_TRUE(advises("mlx_lm.generate"));
  EXPECT_EQ(run("run bundle -p a -n 1").code, 0);
  copy("08-tokenizer-is-lfs-pointer");
  EXPECT_FALSE(advises("jang run"));
  EXPECT_FALSE(advises("mlx_lm.generate"));
  EXPECT_EQ(run("run bundle -p a -n 1").code, 3);
  copy("22-only-tokenizer-model");  // mlx-lm reads it, this program does not
  EXPECT_FALSE(advises("jang run"));
  EXPECT_TRUE(advises("mlx_lm.generate"));
  EXPECT_EQ(run("run bundle -p a -n 1").code, 4);
  fs::remove(copy("17-trailing-slash-name") / "tokenizer.json");
  EXPECT_FALSE(advises("jang run"));
  EXPECT_FALSE(advises("mlx_lm.generate"));
}

TEST_F(Readers, template_variables_may_be_wider_than_64_bits) {
  write_file(dir_ / "t.jinja", "{{ id }} {{ args | tojson }} {{ size > 5 }}");
  write_file(dir_ / "v.json",
             R"({"id": 18446744073709551615, "args": {"seed": 9223372036854775808}, "size": 1e400, "size": 1000000000000000000000})");
  const ProgramOutcome done = run("template t.jinja -f v.json");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, R"(18446744073709551615 {"seed": 9223372036854775808} True)");
}

// One way to make a directory odd, and what must be told about it ("" = nothing).
struct Neighbour {
  const char* name;
  std::function<void(const fs::path&)> edit;
  const char* told;
};

TEST_F(Readers, one_file_with_odd_neighbours_converts_to_the_same_bytes) {
  fs::remove(copy("03-stray-safetensors", "tidy") / "adapters.safetensors");
  const auto tidy = converted("tidy");
  ASSERT_FALSE(tidy.empty());
  const auto config = [](const char* members) { return [members](const fs::path& m) { add_members(m / "config.json", members); }; };
  const auto file = [](const char* name, const std::string& bytes) { return [=](const fs::path& m) { write_file(m / name, bytes); }; };
  const std::string adapter = read_file(kBugs / "03-stray-safetensors/model/adapters.safetensors");
  const std::vector<Neighbour> neighbours = {
      {"adapters beside it (03)", [](const fs::path&) {}, ""},
      {"consolidated", file("consolidated.safetensors", adapter), ""},
      {"optimizer that is broken", file("optimizer-00001-of-00004.safetensors", "not safetensors"), ""},
      {"another file that is broken", file("training.safetensors", "{}"), ""},
      {"original folder", file("original/consolidated.00.safetensors", adapter), ""},
      {"empty index", file(kIndex, R"({"weight_map": {}})"), "model.safetensors is read instead"},
      {"index of shards that are gone", file(kIndex, R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})"),
       "model.safetensors is read instead"},
      {"duplicate key (21)", config(R"("use_cache": false)"), "occur twice"},
      {"nested duplicate key", config(R"("extra": {"a": 1, "a": 2})"), "occur twice"},
      {"Infinity", config(R"("time_step_limit": [0.0, Infinity])"), ""},
      {"NaN", config(R"("loss": NaN)"), ""},
      {"huge integer", config(R"("max_tokens": 1000000000000000019884624838656)"), ""},
      {"huge double", config(R"("huge": -1e400)"), ""},
      {"byte order mark", [](const fs::path& m) { write_file(m / "config.json", "\xef\xbb\xbf" + read_file(m / "config.json")); }, ""},
      {"left-over gptq", config(R"("quantization_config": {"quant_method": "gptq", "bits": 4})"), "left behind"},
      {"left-over fp8", config(R"("quantization_config": {"quant_method": "fp8"})"), "left behind"},
      {"left-over MLX", config(R"("quantization": {"group_size": 64, "bits": 4})"), "left behind"},
  };
  for (const Neighbour& n : neighbours) {
    n.edit(copy("03-stray-safetensors"));
    EXPECT_TRUE(converted("model") == tidy) << n.name;
    const ProgramOutcome told = run("plan model --progress off");
    EXPECT_EQ(told.code, 0) << n.name;
    if (*n.told) {
      EXPECT_NE(told.err.find(n.told), std::string::npos) << n.name << ": " << told.err;
    }
    EXPECT_EQ(run("inspect model").code, 0) << n.name;
    const ProgramOutcome ran = run("run model -p a -n 1");
    EXPECT_EQ(ran.code, 0) << n.name << ran.err;
    if (*n.told) {
      EXPECT_NE(ran.err.find(n.told), std::string::npos) << n.name << ": " << ran.err;
    }
  }
}

TEST_F(Readers, shards_whose_index_is_wrong_convert_to_the_same_bytes) {
  edit_index(copy("04-stale-index-entry", "tidy"), [](json::Value& i) { i["weight_map"].erase("mtp.fc.weight"); });
  const auto tidy = converted("tidy");
  ASSERT_FALSE(tidy.empty());
  const auto index = [](std::function<void(json::Value&)> edit) { return [=](const fs::path& m) { edit_index(m, edit); }; };
  const std::vector<Neighbour> neighbours = {
      {"stale entry (04)", [](const fs::path&) {}, "mtp.fc.weight"},
      {"no index", [](const fs::path& m) { fs::remove(m / kIndex); }, ""},
      {"entry in the wrong shard", index([](json::Value& i) {
         i["weight_map"]["model.embed_tokens.weight"] = i["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors";
       }),
       "another file than the index says"},
      {"tensor not listed", index([](json::Value& i) { i["weight_map"].erase("model.norm.weight"); }), "not in the index"},
      {"shard that held nothing needed", index([](json::Value& i) { i["weight_map"]["mtp.x"] = "model-00003-of-00003.safetensors"; }),
       "1 of the 3 files"},
      {"wrong total size", index([](json::Value& i) { i["metadata"]["total_size"] = 1; }), ""},
      {"numbers Python writes", [](const fs::path& m) { add_members(m / kIndex, R"("loss": NaN, "best": -Infinity)"); }, ""},
  };
  for (const Neighbour& n : neighbours) {
    n.edit(copy("04-stale-index-entry"));
    EXPECT_TRUE(converted("model") == tidy) << n.name;
    const ProgramOutcome told = run("plan model --progress off");
    if (*n.told) {
      EXPECT_NE(told.err.find(n.told), std::string::npos) << n.name << ": " << told.err;
    }
    const ProgramOutcome ran = run("run model -p a -n 1");
    EXPECT_EQ(ran.code, 0) << n.name << ran.err;
  }
}

TEST_F(Readers, a_shard_that_is_needed_is_missed_whatever_is_asked) {
  const fs::path model = copy("04-stale-index-entry");
  fs::remove(model / "model-00002-of-00002.safetensors");
  for (const char* command : {"plan model", "run model -p a -n 1", "plan model --lenient", "run model -p a -n 1 --lenient"}) {
    const ProgramOutcome refused = run(command);
    EXPECT_EQ(refused.code, 3) << command;
    EXPECT_NE(refused.err.find("1 of the 2 files"), std::string::npos) << command << refused.err;
  }
}

TEST_F(Readers, a_model_nobody_listed_needs_all_its_index_promises_or_leniency) {
  const fs::path model = copy("04-stale-index-entry");
  json::Value config = *json::parse_file((model / "config.json").string());
  config["model_type"] = "nobody_listed_this";
  write_file(model / "config.json", json::dump(config));
  const ProgramOutcome refused = run("plan model");
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("--lenient"), std::string::npos) << refused.err;
  EXPECT_EQ(run("inspect model").code, 3);
  EXPECT_EQ(run("plan model --lenient").code, 0);
  EXPECT_EQ(run("inspect model --lenient").code, 0);
}

TEST_F(Readers, a_left_over_quantization_config_converts_with_a_warning) {
  copy("07-quantization-config-left-over");
  EXPECT_FALSE(converted("model").empty());
  const std::string config = read_file(dir_ / "bundle" / "config.json");
  EXPECT_EQ(config.find("bitsandbytes"), std::string::npos) << config;
  const ProgramOutcome ran = run("run model -p a -n 1");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("warning: config.json says the model is quantized (quantization_config: bitsandbytes)"), std::string::npos)
      << ran.err;
}

TEST_F(Readers, a_duplicate_key_converts_with_the_last_value) {
  copy("21-json-duplicate-key");
  EXPECT_FALSE(converted("model").empty());
  const json::Value source = *json::parse_file((dir_ / "model/config.json").string(), {.dialect = json::Dialect::python});
  EXPECT_EQ(json::parse_file((dir_ / "bundle/config.json").string())->at("use_cache"), source.at("use_cache"));
}

TEST_F(Readers, infinity_in_a_config_survives_into_the_bundle) {
  add_members(copy("03-stray-safetensors") / "config.json", R"("time_step_limit": [0.0, Infinity, -Infinity])");
  EXPECT_FALSE(converted("model").empty());
  const auto config = json::parse_file((dir_ / "bundle/config.json").string(), {.dialect = json::Dialect::python});
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(json::dump_for_python(config->at("time_step_limit")), "[0.0,Infinity,-Infinity]");
}

TEST_F(Readers, numbers_that_decide_the_model_must_still_be_numbers) {
  for (const char* members : {R"("hidden_size": 1e400)", R"("hidden_size": 1000000000000000000000)", R"("rms_norm_eps": NaN)",
                              R"("rope_parameters": {"rope_theta": Infinity})"}) {
    const fs::path model = copy("03-stray-safetensors");
    const std::string config = read_file(model / "config.json");
    write_file(model / "config.json", config.substr(0, config.rfind('}')) + "," + members + "}");  // the last value counts
    EXPECT_NE(run("run model -p a -n 1").code, 0) << members;
  }
}

TEST_F(Readers, sources_are_named_as_people_call_them) {
  const auto name_in = [&](const std::string& typed, const std::string& environment = "") {
    fs::remove_all(dir_ / "bundle");
    const ProgramOutcome done = run("convert " + typed + " -o bundle -p 4 --progress off", environment);
    EXPECT_EQ(done.code, 0) << typed << done.err;
    const auto config = json::parse_file((dir_ / "bundle/jang_config.json").string());
    return config.ok() ? config->at("source_model").at("name").get<std::string>() : config.status().message();
  };
  copy("17-trailing-slash-name");
  for (const char* typed : {"model/", "model", "model//", "./model/.", "model/../model/"}) EXPECT_EQ(name_in(typed), "model") << typed;

  const fs::path hub = dir_ / "xdg/huggingface/hub/models--org--Tiny-BF16";
  fs::create_directories(hub / "snapshots");
  fs::copy(dir_ / "model", hub / "snapshots/0123456789abcdef", fs::copy_options::recursive);
  write_file(hub / "refs/main", "0123456789abcdef");
  const std::string xdg = "XDG_CACHE_HOME='" + (dir_ / "xdg").string() + "'";
  EXPECT_EQ(name_in("org/Tiny-BF16", xdg), "Tiny-BF16");
  EXPECT_EQ(name_in("xdg/huggingface/hub/models--org--Tiny-BF16/snapshots/0123456789abcdef/"), "Tiny-BF16");
  EXPECT_EQ(run("convert org/Tiny-BF16 -p 4 --progress off", xdg).code, 0);
  EXPECT_TRUE(fs::exists(dir_ / "Tiny-JANG_4K")) << "the default output";
  EXPECT_EQ(run("convert model/. -p 4 --progress off").code, 0);
  EXPECT_TRUE(fs::exists(dir_ / "model-JANG_4K"));
  EXPECT_EQ(name_in("org/Tiny-BF16", "HUGGINGFACE_HUB_CACHE='" + (dir_ / "xdg/huggingface/hub").string() + "'"), "Tiny-BF16");
}

}  // namespace
}  // namespace jang::cli

// SPDX-License-Identifier: Apache-2.0
// `jang repair` as a user starts it: a bundle whose config.json lost its map answers as before once it is repaired.
#include <filesystem>
#include <fstream>

#include "../support/bundled_model.h"
#include "../support/program.h"
#include "json/json.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class Repair : public ProgramTest {
 protected:
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  json::Value config(const std::string& name) const { return json::parse_file(path(name) + "/config.json").value(); }
  void put_config(const std::string& name, const json::Value& config) const {
    std::ofstream(path(name) + "/config.json") << config.dump(1);
  }
};

TEST_F(Repair, bundles_that_lost_their_map_answer_as_before) {
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "JANG_2S", "-o", path("sound"), "-q"}).code, 0);
  std::filesystem::copy(path("sound"), path("broken"), std::filesystem::copy_options::recursive);
  json::Value broken = config("broken");
  broken["quantization"] = {{"group_size", 64}, {"bits", 2}};
  broken.erase("quantization_config");
  put_config("broken", broken);
  EXPECT_EQ(run({"run", path("broken"), "-p", "Once", "-n", "1"}).code, 3);

  const ProgramOutcome text = run({"repair", path("broken"), "-o", path("new"), "--json"});
  ASSERT_EQ(text.code, 0) << text.err;
  const json::Value v = json::parse(text.out, "document").value();
  EXPECT_GT(v["changed"].size(), 5u);
  EXPECT_LT(v["changed"].size(), v["modules"]);
  const json::Value solved = config("new")["quantization"], sound = config("sound")["quantization"];
  EXPECT_EQ(solved.size(), sound.size());
  for (const auto& [key, value] : sound.items()) EXPECT_EQ(solved.value(key, json::Value()), value) << key;
  EXPECT_EQ(std::filesystem::hard_link_count(dir_ / "new" / "model.safetensors"), 2u);
  EXPECT_EQ(run({"validate", path("new")}).code, 0);
  for (const auto& file : std::filesystem::directory_iterator(path("sound")))
    EXPECT_TRUE(std::filesystem::exists(dir_ / "new" / file.path().filename())) << file.path();
  const ProgramOutcome before = run({"run", path("sound"), "-p", "Once upon a time", "-n", "6", "--temp", "0"});
  EXPECT_EQ(run({"run", path("new"), "-p", "Once upon a time", "-n", "6", "--temp", "0"}).out, before.out);

  const ProgramOutcome again = run({"repair", path("broken"), "-o", path("new")});
  EXPECT_EQ(again.code, 2) << again.err;  // it exists
  const ProgramOutcome forced = run({"repair", path("broken"), "-o", path("new"), "--force"});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_TRUE(contains(forced.out, "by the model's shapes; it said 2 bits, group 64")) << forced.out;
}

TEST_F(Repair, the_source_is_never_replaced_and_links_out_of_it_are_told) {
  namespace fs = std::filesystem;
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "JANG_2S", "-o", path("sound"), "-q"}).code, 0);
  std::ofstream(path("sound") + "/NOTES.txt") << "mine";
  fs::create_directory_symlink(path("sound"), path("link"));
  for (const std::string& output : {path("sound"), path("sound") + "/../sound/", path("link"), dir_.string()}) {
    const ProgramOutcome refused = run({"repair", path("sound"), "-o", output, "--force"});
    EXPECT_EQ(refused.code, 2) << output << refused.err;
    EXPECT_TRUE(fs::exists(path("sound") + "/NOTES.txt"));
  }
  EXPECT_EQ(run({"repair", path("link"), "-o", path("sound"), "--force"}).code, 2);

  fs::rename(path("sound") + "/tokenizer.json", path("other.json"));
  fs::create_symlink(path("other.json"), path("sound") + "/tokenizer.json");
  const ProgramOutcome done = run({"repair", path("sound"), "-o", path("new")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(contains(done.err, "not copied: tokenizer.json")) << done.err;
}

TEST_F(Repair, what_cannot_be_repaired_leaves_nothing_behind) {
  EXPECT_EQ(run({"repair", kBundledModel, "-o", path("new")}).code, 2);  // nothing is packed
  EXPECT_EQ(run({"repair", path("nowhere"), "-o", path("new")}).code, 3);
  EXPECT_EQ(run({"repair", kBundledModel}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("new")));
  EXPECT_FALSE(std::filesystem::exists(path("new.partial")));
}

}  // namespace
}  // namespace jang::cli

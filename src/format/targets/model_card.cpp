// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/model_card.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "arch/decoder_config.h"
#include "base/file.h"
#include "format/hub.h"
#include "format/targets/documents.h"
#include "format/targets/layout.h"
#include "format/targets/targets.h"

namespace jang::targets {
namespace {

constexpr std::size_t kMostCardBytes = std::size_t{4} << 20, kMostMatterBytes = std::size_t{64} << 10;
constexpr std::size_t kMostWordBytes = 256, kMostListed = 64;
constexpr std::string_view kRunHeading = "## Run\n";
constexpr std::string_view kOurTag = "jang";
constexpr std::string_view kLicenseFiles[] = {"LICENSE", "LICENSE.txt", "LICENSE.md"};

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._/:+%~-").find(c) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  text = text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
  const bool quoted = text.size() > 1 && (text.front() == '"' || text.front() == '\'') && text.front() == text.back();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// A word that YAML and Markdown take as it stands; else empty.
std::string plain_word(std::string_view text) {
  text = trimmed(text);
  const bool starts = !text.empty() && is_plain(text.front()) && std::string_view("-:%").find(text.front()) == std::string_view::npos;
  if (!starts || text.back() == ':' || text.size() > kMostWordBytes || !std::ranges::all_of(text, is_plain)) return {};
  return std::string(text);
}

// YAML reads these as something else than a word; "no" is Norwegian.
std::string yaml_word(const std::string& word) {
  constexpr std::string_view kOther[] = {"no", "yes", "on", "off", "true", "false", "null", "y", "n", "~"};
  std::string lower = word;
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const bool number = word.find_first_not_of("0123456789.:+-_eE") == std::string::npos;
  return number || std::ranges::find(kOther, lower) != std::end(kOther) ? "\"" + word + "\"" : word;
}

void add_word(std::string_view text, std::vector<std::string>* list) {
  std::string word = plain_word(text);
  if (!word.empty() && list->size() < kMostListed && std::ranges::find(*list, word) == list->end()) list->push_back(std::move(word));
}

// `value` of a key on one line: a word, or a list in brackets.
void add_words(std::string_view value, std::vector<std::string>* list) {
  value = trimmed(value);
  if (!value.starts_with('[') || !value.ends_with(']')) return add_word(value, list);
  value = value.substr(1, value.size() - 2);
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    add_word(value.substr(0, comma), list);
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
}

using Matter = std::map<std::string, std::vector<std::string>, std::less<>>;

// Keys with plain words, and lists of them: all that is read of YAML.
Matter front_matter(std::string_view text) {
  Matter matter;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---")) return matter;
  std::string key;
  bool first = true;
  for (text = text.substr(0, kMostMatterBytes); !text.empty();) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view whole = trimmed(line);
    if (whole == "---") {
      if (first) {
        first = false;
        continue;
      }
      return matter;
    }
    if (first) return {};
    if (whole.starts_with("- ")) {
      if (!key.empty()) add_word(whole.substr(2), &matter[key]);
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.starts_with(' ') || line.starts_with('\t')) {
      if (!whole.empty()) key.clear();  // of something deeper
      continue;
    }
    key = plain_word(line.substr(0, colon));
    if (!key.empty() && matter.size() < kMostListed) add_words(line.substr(colon + 1), &matter[key]);
  }
  return {};  // it never ended: no front matter
}

std::string first_of(const Matter& matter, std::string_view key) {
  const auto found = matter.find(key);
  return found == matter.end() || found->second.empty() ? "" : found->second.front();
}

void read_license_file(const std::string& directory, SourceCard* card) {
  for (const std::string_view name : kLicenseFiles) {
    const auto text = read_text(fmt::format("{}/{}", directory, name), kMostCardBytes);
    if (!text.ok()) continue;
    const std::string head = text->substr(0, 2048);
    const auto says = [&](const char* words) { return head.find(words) != std::string::npos; };
    card->license = says("Apache License") && says("Version 2.0") ? "apache-2.0" : says("MIT License") ? "mit" : "other";
    if (card->license == "other") {
      card->license_name = "license-of-the-source";
      card->license_link = name;
    }
    return;
  }
}

// Where the body begins: behind the second line of three dashes.
std::size_t end_of_front_matter(std::string_view text) {
  int n_fences = 0;
  for (std::size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (trimmed(text.substr(at, end - at)) == "---" && ++n_fences == 2) return end;
    at = end + 1;
  }
  return text.size();
}

// The program that a target's command begins with: "mlx" of "mlx_lm.generate".
std::string library_of(const std::vector<std::string>& command) {
  return command.empty() ? "" : command.front().substr(0, command.front().find_first_of("_."));
}

std::string front_matter_of(const SourceCard& source, const Record& record, const Target& target, const std::string& library) {
  std::string out = "---\n";
  const auto line = [&](std::string_view key, const std::string& word) {
    if (!word.empty()) out += fmt::format("{}: {}\n", key, yaml_word(word));
  };
  const auto list = [&](std::string_view key, const std::vector<std::string>& words) {
    if (words.empty()) return;
    out += fmt::format("{}:\n", key);
    for (const std::string& word : words) out += fmt::format("- {}\n", yaml_word(word));
  };
  line("license", source.license);
  line("license_name", source.license_name);
  line("license_link", source.license_link);
  list("language", source.language);
  line("base_model", source.base_model);
  line("base_model_relation", source.base_model_relation);
  line("library_name", library);
  line("pipeline_tag", source.pipeline_tag.empty() ? "text-generation" : source.pipeline_tag);
  std::vector<std::string> tags = {std::string(kOurTag)};
  for (const std::string& word : {library, std::string(target.name()), std::string(record.profile)}) add_word(word, &tags);
  for (const std::string& tag : source.tags)
    if (find_target(tag) == nullptr) add_word(tag, &tags);  // of a bundle that is exported: it is no longer for that loader
  list("tags", tags);
  return out + "---\n\n";
}

std::string calibration_text(std::string_view calibration) {
  if (calibration == "self") return "text that the source sampled itself";
  if (calibration == "file") return "given text";
  if (calibration == "random") return "random tokens";
  return "none";
}

std::string recipe_section(const Record& r, const Target& target, const std::string& source) {
  std::string out = "## Recipe\n\n| | |\n|---|---|\n";
  const auto row = [&](std::string_view what, std::string_view text) { out += fmt::format("| {} | {} |\n", what, text); };
  row("source", source);
  row("made for", fmt::format("{} (target {})", target.loader(), target.name()));
  row("profile", r.profile);
  row("bits decided by", r.allocation);
  row("method", r.method);
  row("calibrated on", calibration_text(r.calibration));
  row("scales and biases", config_dtype(r.dtype));
  row("tool", fmt::format("jang.cpp {}", JANG_VERSION));
  return out + "\n";
}

std::string sizes_section(const Record& r) {
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < r.tensors.size(); ++i) {
    if (!r.tensors[i].error) continue;
    const auto n = static_cast<double>(elements(r.model.tensors[i].shape));
    sum += n * *r.tensors[i].error;
    weights += n;
  }
  std::string out = "## Sizes\n\n| | |\n|---|---|\n";
  out += fmt::format("| weights | {} |\n| files | {:.2f} MB ({:.2f} MiB) |\n", r.params, static_cast<double>(r.layout.file_bytes) / 1e6,
                     static_cast<double>(r.layout.file_bytes) / 1048576.0);
  if (r.code_bits > 0) out += fmt::format("| code bits per quantized weight | {:.3f} |\n", r.code_bits);
  out += fmt::format("| stored bits per weight, scales and biases counted | {:.3f} |\n", r.stored_bits);
  if (weights > 0) out += fmt::format("| mean error of the weights, squared error over squared norm | {:.4g} |\n", sum / weights);
  return out + "\n";
}

std::string widths_section(const Record& r) {
  struct Bin {
    std::uint64_t tensors = 0, weights = 0;
  };
  std::map<std::pair<int, int>, Bin> bins;
  for (std::size_t i = 0; i < r.tensors.size(); ++i) {
    const codec::WeightFormat* format = r.tensors[i].format;
    Bin& bin = bins[format != nullptr ? std::pair(format->bits, format->group_size) : std::pair(0, 0)];
    ++bin.tensors;
    bin.weights += static_cast<std::uint64_t>(elements(r.model.tensors[i].shape));
  }
  std::string out = "| bits | group | tensors | weights |\n|---|---|---|---|\n";
  for (const auto& [key, bin] : bins)
    out += key.first > 0 ? fmt::format("| {} | {} | {} | {} |\n", key.first, key.second, bin.tensors, bin.weights)
                         : fmt::format("| kept | - | {} | {} |\n", bin.tensors, bin.weights);
  return out + "\n";
}

std::string run_section(const Record& r, const std::vector<std::string>& command, const std::string& name) {
  std::string out = std::string(kRunHeading) + "\n```\n";
  if (arch::decoder_config(r.model).ok()) out += fmt::format("jang run {} -p \"Once upon a time\"\n", name);
  std::string line;
  for (const std::string& word : command)
    line += (line.empty() ? "" : " ") + (word.find(' ') == std::string::npos ? word : "\"" + word + "\"");
  return out + (line.empty() ? "" : line + "\n") + "```\n\n";
}

std::string license_section(const SourceCard& source) {
  std::string out = "## Licence\n\n";
  if (source.license.empty()) return out + "The source names no licence: ask its authors before you pass this model on.\n";
  out += fmt::format("That of the source: {}.\n", source.license_name.empty() ? source.license : source.license_name);
  if (!source.license_link.empty()) out += fmt::format("Its text: {}\n", source.license_link);
  return out;
}

}  // namespace

SourceCard parse_card(std::string_view text) {
  const Matter matter = front_matter(text);
  SourceCard card;
  card.base_model = first_of(matter, "base_model");
  card.base_model_relation = card.base_model.empty() ? "" : first_of(matter, "base_model_relation");
  card.license = first_of(matter, "license");
  card.license_name = first_of(matter, "license_name");
  card.license_link = first_of(matter, "license_link");
  card.pipeline_tag = first_of(matter, "pipeline_tag");
  if (const auto found = matter.find("language"); found != matter.end()) card.language = found->second;
  if (const auto found = matter.find("tags"); found != matter.end()) card.tags = found->second;
  return card;
}

SourceCard read_source_card(const std::string& directory) {
  SourceCard card;
  if (const auto text = read_text(fmt::format("{}/{}", directory, kCardName), kMostCardBytes); text.ok()) card = parse_card(*text);
  if (card.license.empty()) read_license_file(directory, &card);
  if (const std::string id = format::repository_name(directory); !id.empty()) {
    card.base_model = id;
    card.base_model_relation = "quantized";
  }
  return card;
}

std::string model_card(const Record& record, const Target& target, const SourceCard& source, std::string_view name) {
  std::string safe(name), from = format::model_name(record.source.path());
  for (std::string* text : {&safe, &from})
    for (char& c : *text)
      if (!is_plain(c)) c = '_';
  const std::vector<std::string> command = target.sample_command(record.model, safe);
  std::string out = front_matter_of(source, record, target, library_of(command));
  const std::string link = source.base_model_relation == "quantized" && !source.base_model.empty()
                               ? fmt::format("[{}](https://huggingface.co/{})", source.base_model, source.base_model)
                               : from;
  out += fmt::format("# {}\n\n{} in {:.2f} stored bits per weight, for {}.\n\n", safe, link, record.stored_bits, target.loader());
  out += recipe_section(record, target, link) + sizes_section(record) + widths_section(record);
  return out + run_section(record, command, safe) + license_section(source);
}

std::string with_training(std::string card, std::int64_t steps, double before, double after) {
  const std::size_t body = end_of_front_matter(card), run = card.find(kRunHeading, body);
  const SourceCard read = parse_card(card);
  if (run == std::string::npos || std::ranges::find(read.tags, kOurTag) == read.tags.end()) return card;
  constexpr std::string_view kHeading = "## Divergence\n";
  const std::size_t old = card.find(kHeading, body);
  if (old < run) card.erase(old, run - old);
  card.insert(card.find(kRunHeading, body),
              fmt::format("{}\nTrained for {} steps to predict what the source predicts, on text that the source sampled.\n"
                          "KL divergence from the source, on text that no step saw: {:.5f} nats per token, {:.5f} before.\n\n",
                          kHeading, steps, after, before));
  return card;
}

}  // namespace jang::targets

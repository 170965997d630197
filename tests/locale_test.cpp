// SPDX-License-Identifier: Apache-2.0
// The locale of a host program changes nothing: not what is read, not what is written. Functions that ask it are not used in src/ at all
// (the first test), and what reads and prints numbers gives the same under a decimal comma (the second).
#include <gtest/gtest.h>

#include <array>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "json/json.h"
#include "support/paths.h"
#include "text/chat_template.h"

namespace jang {
namespace {

namespace fs = std::filesystem;

// Functions and types that ask the locale of the process. std::to_string is not among them: of whole numbers, which is what src/ gives it,
// it does not.
constexpr std::array kForbidden = {"strtof",   "strtod",       "strtold",       "stof",          "stod",      "stold",      "stoi",
                                   "stol",     "stoll",        "stoul",         "stoull",        "atof",      "atoi",       "atol",
                                   "atoll",    "printf",       "sprintf",       "snprintf",      "vsnprintf", "scanf",      "sscanf",
                                   "fscanf",   "stringstream", "istringstream", "ostringstream", "setlocale", "localeconv", "nl_langinfo",
                                   "isalpha",  "isdigit",      "isalnum",       "isspace",       "isupper",   "islower",    "ispunct",
                                   "isxdigit", "toupper",      "tolower"};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The code of a line, and what stands in quotes in it.
struct Line {
  std::string code, text;
};
Line split(const std::string& line) {
  Line out;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (!quoted && line.compare(i, 2, "//") == 0) break;
    const char before = i == 0 ? ' ' : line[i - 1];
    if (line[i] == '"' && before != '\\' && before != '\'') quoted = !quoted;
    (quoted ? out.text : out.code) += line[i];
  }
  return out;
}

bool has_word(const std::string& code, std::string_view word) {
  for (std::size_t at = code.find(word); at != std::string::npos; at = code.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word(code[at - 1])) && (end == code.size() || !is_word(code[end]))) return true;
  }
  return false;
}

// A replacement field of fmt with an L: "{:L}", "{:.3Lf}".
bool has_local_format(const std::string& text) {
  for (std::size_t open = text.find('{'); open != std::string::npos; open = text.find('{', open + 1)) {
    const std::string field = text.substr(open, text.find('}', open) - open);
    const std::size_t colon = field.find(':');
    const std::size_t mark = field.find('L', colon == std::string::npos ? field.size() : colon);
    if (mark != std::string::npos && field.size() - mark <= 2 && text.find('}', open) != std::string::npos) return true;
  }
  return false;
}

std::vector<std::string> offences(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const Line parts = split(line);
    for (const char* word : kForbidden)
      if (has_word(parts.code, word)) found.push_back(std::to_string(number) + ": " + word + " in " + line);
    if (has_local_format(parts.text)) found.push_back(std::to_string(number) + ": a format with L in " + line);
  }
  return found;
}

TEST(Locale, sources_ask_no_locale) {
  int n_files = 0;
  for (const char* folder : {"src", "include"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(test::source_dir()) / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
      ++n_files;
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      for (const std::string& offence : offences(text.str())) ADD_FAILURE() << entry.path().string() << ":" << offence;
    }
  }
  EXPECT_GT(n_files, 100);
}

TEST(Locale, the_check_finds_what_it_forbids) {
  for (const char* line : {"x = std::stod(text);", "strtod(s, nullptr)", "std::snprintf(b, n, \"%g\", x)", "sprintf(b, \"%g\", x)",
                           "std::ostringstream out;", "atof(s)", "sscanf(s, \"%lf\", &x)", "std::setlocale(LC_ALL, \"\")",
                           "fmt::format(\"{:L}\", x)", "fmt::format(\"{:.3Lf}\", x)", "if (isdigit(c))", "std::stoll(text)"})
    EXPECT_FALSE(offences(line).empty()) << line;
  for (const char* line : {"// std::stod is not used", "\"std::stod(\"", "fmt::format(\"{:.3f}\", x)", "custom(x)", "kLogits[i]",
                           "std::stop_token t;", "is_digit(c)"})
    EXPECT_TRUE(offences(line).empty()) << line;
}

// A decimal comma in C and in C++ while it lives. The C locale comes from the system, or is made with localedef in a directory of its own.
class DecimalComma {
 public:
  DecimalComma() : cpp_(std::locale::global(std::locale(std::locale::classic(), new Comma))) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "de_DE"})
      if (std::setlocale(LC_ALL, name) != nullptr && comma()) return;
    std::string pattern = (fs::temp_directory_path() / "jang_locale_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return;
    made_ = pattern;
    const std::string command = "localedef -i de_DE -f UTF-8 " + pattern + "/de_DE.UTF-8 >/dev/null 2>&1";
    if (std::system(command.c_str()) < 0) return;
    setenv("LOCPATH", pattern.c_str(), 1);
    std::setlocale(LC_ALL, "de_DE.UTF-8");
  }
  ~DecimalComma() {
    std::setlocale(LC_ALL, "C");
    std::locale::global(cpp_);
    unsetenv("LOCPATH");
    std::error_code error;
    if (!made_.empty()) fs::remove_all(made_, error);
  }
  DecimalComma(const DecimalComma&) = delete;
  DecimalComma& operator=(const DecimalComma&) = delete;
  static bool comma() { return std::string(std::localeconv()->decimal_point) == ","; }

 private:
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  std::locale cpp_;
  fs::path made_;
};

std::string rendered(const std::string& source) {
  const auto made = text::ChatTemplate::parse(source, "test");
  EXPECT_TRUE(made.ok()) << made.status().message();
  if (!made.ok()) return "";
  const auto segments = made->render_segments(json::Value::object(), {});
  EXPECT_TRUE(segments.ok()) << segments.status().message();
  std::string out;
  for (std::size_t i = 0; segments.ok() && i < segments->size(); ++i) out += (*segments)[i].text;
  return out;
}

// Everything that reads or prints a number with a fraction, as one text.
std::string numbers() {
  std::string out;
  for (const char* text : {"0.5", "1e-3", "123456.75", "1e400"}) out += std::to_string(parse_decimal(text) == std::nullopt) + " ";
  out += parse_decimal("0.5") == 0.5 ? "half " : "not half ";
  const auto parsed = json::parse(R"({"a": 0.5, "b": 1e-7, "c": 12345.678})", "test");
  EXPECT_TRUE(parsed.ok());
  if (parsed.ok()) out += json::dump(parsed.value());
  for (const char* source : {"{{ 0.5 }} {{ 1234567.25 }} {{ 1e-7 }}", "{{ '{} {}'.format(0.125, 12345.67) }}",
                             "{{ '0.75' | float }} {{ '1.5' | int }}", "{{ {'x': 0.5} | tojson }}"})
    out += "\n" + rendered(source);
  return out;
}

TEST(Locale, numbers_are_the_same_under_a_decimal_comma) {
  const std::string expected = numbers();
  const DecimalComma comma;
  EXPECT_EQ(numbers(), expected) << "under a C++ locale with a comma";
  if (!DecimalComma::comma()) GTEST_SKIP() << "this machine has no C locale with a decimal comma, and localedef makes none";
}

}  // namespace
}  // namespace jang

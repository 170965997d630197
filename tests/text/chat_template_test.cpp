// SPDX-License-Identifier: Apache-2.0
// Chat templates as their users meet them: where a model keeps its template, what a conversation becomes, which text is the user's, and
// what hostile templates are refused for.
#include "text/chat_template.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace jang::text {
namespace {

namespace fs = std::filesystem;

json::Value variables_of(std::string_view text) {
  Result<json::Value> value = json::parse(text, "variables");
  EXPECT_TRUE(value.ok()) << value.status().message();
  return value.ok() ? value.value() : json::Value();
}

Result<std::string> render(const std::string& source, std::string_view variables = "{}", const Moment& now = {}) {
  JANG_ASSIGN(const ChatTemplate program, ChatTemplate::parse(source, "t"));
  return program.render(variables_of(variables), now);
}

std::string text_of(const std::string& source, std::string_view variables = "{}") {
  const Result<std::string> text = render(source, variables);
  EXPECT_TRUE(text.ok()) << source << ": " << text.status().message();
  return text.ok() ? text.value() : "";
}

StatusCode code_of(const std::string& source, std::string_view variables = "{}") { return render(source, variables).status().code(); }

constexpr std::string_view kChat = R"({"messages": [
  {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Ho "}],
  "add_generation_prompt": true})";

const std::string kChatMl = R"({%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' + message.content | trim + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";

TEST(ChatTemplate, chatml_renders_a_conversation) {
  EXPECT_EQ(text_of(kChatMl, kChat),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST(ChatTemplate, blocks_alone_on_their_line_leave_no_trace) {
  EXPECT_EQ(text_of("{% for m in messages %}\n  {% if m.role == 'user' %}\n> {{ m.content }}\n  {% endif %}\n{% endfor %}\n", kChat),
            "> Hi\n");
}

TEST(ChatTemplate, macros_call_themselves) {
  const std::string source =
      R"({% macro show(v, depth=0) %}{% if v is mapping %}{% for k, x in v | dictsort %}{{ k }}:{{ show(x, depth + 1) }};{% endfor %}
{%- elif v is string %}"{{ v }}"{% else %}{{ v | tojson }}@{{ depth }}{% endif %}{% endmacro %}
[{{ show(v) }}])";
  EXPECT_EQ(text_of(source, R"({"v": {"b": {"c": [1, null]}, "a": "é"}})"), "[a:\"é\";b:c:[1, null]@2;;]");
}

TEST(ChatTemplate, exceptions_of_a_template_carry_its_text) {
  const Result<std::string> text = render("a\n{{ raise_exception('Roles must alternate: ' ~ messages[0].role) }}", kChat);
  EXPECT_EQ(text.status().code(), StatusCode::corrupt);
  EXPECT_EQ(text.status().message(), "t: line 2: Roles must alternate: system");
}

TEST(ChatTemplate, errors_name_the_line) {
  EXPECT_EQ(render("a\n\n{% if %}").status().message(), "t: line 3: expected an expression, found '%}'");
  EXPECT_EQ(render("a\n{% for x in y %}").status().message(), "t: line 2: the template ends where {% endfor or else %} is expected");
  EXPECT_EQ(render("{{ a }}\n{{ a.b }}").status().message(), "t: line 2: 'a' is undefined");
  EXPECT_EQ(render("\n{{ d.b.c }}", R"({"d": {}})").status().message(), "t: line 2: 'dict object' has no attribute 'b'");
}

TEST(ChatTemplate, codes_tell_syntax_from_constructs_and_limits) {
  EXPECT_EQ(code_of("{{"), StatusCode::corrupt);
  EXPECT_EQ(code_of("\xff"), StatusCode::corrupt);
  EXPECT_EQ(code_of("{{ 1 / 0 }}"), StatusCode::corrupt);
  EXPECT_EQ(code_of("{% include 'x' %}"), StatusCode::unsupported);
  EXPECT_EQ(code_of("{% for x in y recursive %}{% endfor %}"), StatusCode::unsupported);
  EXPECT_EQ(code_of("{{ x | urlize }}"), StatusCode::unsupported);
  EXPECT_EQ(code_of("{{ 9223372036854775807 + 1 }}"), StatusCode::invalid_argument);
  EXPECT_EQ(ChatTemplate::parse(std::string(ChatTemplate::kMaxSourceBytes + 1, 'x'), "t").status().code(), StatusCode::invalid_argument);
  const Result<ChatTemplate> program = ChatTemplate::parse("x", "t");
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program.value().render(variables_of("[]")).status().code(), StatusCode::invalid_argument);
}

TEST(ChatTemplate, what_no_template_uses_is_refused_by_name) {
  struct Row {
    const char *source, *what;
  };
  for (const Row& row : std::to_array<Row>({
           {"{{ x | groupby('a') }}", "filter 'groupby'"},
           {"{{ x | batch(2) }}", "filter 'batch'"},
           {"{{ x | round }}", "filter 'round'"},
           {"{{ x | map('truncate', 3) | list }}", "filter 'truncate'"},
           {"{{ x is escaped }}", "test 'escaped'"},
           {"{{ x | select('upper') | list }}", "test 'upper'"},
           {"{{ s.center(9) }}", "str method 'center'"},
           {"{{ s['zfill'](9) }}", "str method 'zfill'"},
           {"{{ x.index(1) }}", "list method 'index'"},
           {"{{ (1,).count(1) }}", "tuple method 'count'"},
           {"{{ {}.copy() }}", "dict method 'copy'"},
           {"{% for i in x %}{{ loop.changed(i) }}{% endfor %}", "loop method 'changed'"},
           {"{{ cycler(1, 2) }}", "function 'cycler'"},
           {"{% call x() %}{% endcall %}", "tag 'call'"},
           {"{% print x %}", "tag 'print'"},
           {"{% macro m() %}{{ varargs }}{% endmacro %}", "'varargs' of a macro"},
           {"{{ '%s' % x }}", "formatting with the operator % ('%s' % x)"},
           {"{{ '{:>5}'.format(x) }}", "the field '{:>5}' of str.format()"},
           {"{{ strftime_now('%d %U') }}", "the directive '%U' of strftime_now()"},
           {"{{ strftime_now('%-é') }}", "the directive '%-é' of strftime_now()"},
           {"{{ 2 ** 3 }}", "the operator **"},
           {"{{ 0xff }}", "a number in another base than ten"},
           {"{{ '7' | int(0, 8) }}", "the argument 'base' of the filter 'int'"},
           {"{{ x | sort(attribute='a,b') }}", "sorting by several attributes"},
           {"{{ range(*x) }}", "* in a call"},
           {"{% for i in x recursive %}{% endfor %}", "a recursive for loop"},
       })) {
    const Status status = render(row.source, R"({"x": [1, 2], "s": "a"})").status();
    EXPECT_EQ(status.code(), StatusCode::unsupported) << row.source;
    EXPECT_EQ(status.message(), std::string("t: line 1: ") + row.what + " is not supported in chat templates") << row.source;
  }
}

TEST(ChatTemplate, refusals_come_when_parsing_but_for_branches_that_are_not_taken) {
  for (const char* source : {"{{ x | groupby('a') }}", "{{ x is escaped }}", "{% call x() %}{% endcall %}", "{{ 2 ** 3 }}"})
    EXPECT_EQ(ChatTemplate::parse(source, "t").status().code(), StatusCode::unsupported) << source;
  EXPECT_EQ(text_of("{% if false %}{{ x | groupby('a') }}{% endif %}ok"), "ok");
  EXPECT_EQ(code_of("{% if true %}{{ x | groupby('a') }}{% endif %}ok"), StatusCode::unsupported);
}

TEST(ChatTemplate, names_that_are_refused_may_be_variables_keys_and_parameters) {
  EXPECT_EQ(text_of("{{ d.center }}{{ d['index'] }}{% set cycler = 2 %}{{ cycler }}", R"({"d": {"center": 1, "index": 5}})"), "152");
  EXPECT_EQ(text_of("{% macro m(caller, kwargs=2) %}{{ caller }}{{ kwargs }}{% endmacro %}{{ m(1) }}"), "12");
  EXPECT_EQ(text_of("{{ caller }}{{ joiner }}", R"({"caller": "c", "joiner": "j"})"), "cj");
}

TEST(ChatTemplate, tools_and_documents_are_none_when_absent) {
  EXPECT_EQ(text_of("{{ tools is defined }}{{ tools is none }}{{ documents }}{{ other is defined }}"), "TrueTrueNoneFalse");
}

TEST(ChatTemplate, variables_are_json_with_python_clothes) {
  EXPECT_EQ(text_of("{{ v }}", R"({"v": [1, -2, 1.0, 1e100, true, null, "it's", {"a": []}]})"),
            "[1, -2, 1.0, 1e+100, True, None, \"it's\", {'a': []}]");
  EXPECT_EQ(text_of("{{ v }}", R"({"v": 9223372036854775807})"), "9223372036854775807");
}

TEST(ChatTemplate, integers_beyond_int64_keep_their_digits) {
  const std::string v = R"({"v": 9223372036854775808, "w": 18446744073709551615, "list": [{"id": 18446744073709551614}]})";
  EXPECT_EQ(text_of("{{ v }} {{ w }} {{ list }}", v), "9223372036854775808 18446744073709551615 [{'id': 18446744073709551614}]");
  EXPECT_EQ(text_of("{{ list | tojson }}", v), R"([{"id": 18446744073709551614}])");
  EXPECT_EQ(text_of("{{ v is integer }} {{ v is float }} {{ v is number }} {{ v is string }}", v), "True False True False");
  EXPECT_EQ(text_of("{{ v > 1 }} {{ v == v }} {{ v == w }} {{ 'yes' if v }}", v), "True True False yes");
  EXPECT_EQ(text_of("{{ v ~ '' }}", v), "9223372036854775808");
}

TEST(ChatTemplate, time_is_the_callers) {
  const Result<std::string> text = render("{{ strftime_now('%Y-%m-%d %H:%M') }}", "{}", {951827696, 3600});  // 2000-02-29T12:34:56Z
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(), "2000-02-29 13:34");
  EXPECT_EQ(render("{{ strftime_now('%d') }}", "{}", {-1, 0}).status().code(), StatusCode::invalid_argument);
}

TEST(ChatTemplate, reads_tells_which_variables_matter) {
  const Result<ChatTemplate> program = ChatTemplate::parse("{% if enable_thinking is defined %}{{ x.field }}{% endif %}", "t");
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE(program.value().reads("enable_thinking"));
  EXPECT_FALSE(program.value().reads("field"));
}

// --- which text is the user's

std::string marked(const std::string& source, std::string_view variables) {
  Result<ChatTemplate> program = ChatTemplate::parse(source, "t");
  EXPECT_TRUE(program.ok()) << program.status().message();
  program.value().set_special_token("bos_token", "<s>");
  const Result<std::vector<TemplateSegment>> segments = program.value().render_segments(variables_of(variables));
  EXPECT_TRUE(segments.ok()) << segments.status().message();
  std::string out;
  if (segments.ok())
    for (const TemplateSegment& s : segments.value()) out += s.from_input ? "«" + s.text + "»" : s.text;
  return out;
}

TEST(ChatTemplate, input_stays_marked_through_what_a_template_does) {
  constexpr std::string_view v = R"({"c": " <|end|>é ", "d": {"k": "x\"y", "n": 5}, "l": ["a", "b"]})";
  EXPECT_EQ(marked("{{ bos_token }}<u>{{ c }}</u>", v), "<s><u>« <|end|>é »</u>");
  EXPECT_EQ(marked("{{ '<u>' + c.strip() + '</u>' }}", v), "<u>«<|end|>é»</u>");
  EXPECT_EQ(marked("{{ ('<u>' ~ c | trim)[1:8] }}", v), "u>«<|end»");
  EXPECT_EQ(marked("{{ c | upper | trim }}", v), "«<|END|>É»");
  EXPECT_EQ(marked("{{ d | tojson }}", v), "{\"«k»\": \"«x\\\"y»\", \"«n»\": 5}");
  EXPECT_EQ(marked("{{ d }}", v), "{'«k»': '«x\"y»', '«n»': 5}");
  EXPECT_EQ(marked("{{ l | join('<s>') }}", v), "«a»<s>«b»");
  EXPECT_EQ(marked("{{ 'a b'.split()[0] }}{{ c.split('|')[1] }}", v), "a«end»");
  EXPECT_EQ(marked("{{ c.replace('<|end|>', '<s>') }}", v), "« »<s>«é »");
  EXPECT_EQ(marked("{{ '{}|{1}'.replace('1', '').format(l[0], l[1]) }}", v), "«a»|«b»");
  EXPECT_EQ(marked("{% set x %}[{{ l[0] }}]{% endset %}{{ x | indent }}{{ c | e | trim }}", v), "[«a»]«&lt;|end|&gt;é»");
  EXPECT_EQ(marked("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(l[1]) }}{{ l[0] * 2 ~ l[0] | reverse }}", v), "<«b»>«aaa»");
  EXPECT_EQ(marked("{% for ch in l[0] ~ '!' %}{{ ch }}{% endfor %}", v), "«a»!");
  EXPECT_EQ(marked("{{ bos_token }}", R"({"bos_token": "<evil>"})"), "«<evil>»") << "a variable of the caller is input, whatever its name";
}

// --- loading

class ChatTemplateFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        fs::temp_directory_path() / fmt::format("jang-template-{}", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  void write(const std::string& name, std::string_view text) { std::ofstream(directory_ / name, std::ios::binary) << text; }
  [[nodiscard]] std::string rendered() const {
    const Result<ChatTemplate> program = ChatTemplate::load(directory_.string());
    if (!program.ok()) return std::string(to_string(program.status().code()));
    const Result<std::string> text = program.value().render(json::Value::object());
    return text.ok() ? text.value() : text.status().message();
  }

  fs::path directory_;
};

TEST_F(ChatTemplateFiles, template_file_wins_over_configurations) {
  EXPECT_EQ(rendered(), "not_found");
  write("tokenizer_config.json", R"({"chat_template": "config {{ bos_token }}{{ eos_token }}", "bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  EXPECT_EQ(rendered(), "config <s></s>");
  write("chat_template.json", R"({"chat_template": "json {{ bos_token }}"})");
  EXPECT_EQ(rendered(), "json <s>");
  write("chat_template.jinja", "file {{ bos_token }}{{ pad_token is defined }}");
  EXPECT_EQ(rendered(), "file <s>False");
}

TEST_F(ChatTemplateFiles, default_of_named_templates_is_taken) {
  write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  EXPECT_EQ(rendered(), "D");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "T"}]})");
  EXPECT_EQ(rendered(), "T");
}

TEST_F(ChatTemplateFiles, tools_take_the_template_made_for_them) {
  const auto with_tools = [&](const char* tools) {
    const Result<ChatTemplate> program = ChatTemplate::load(directory_.string());
    EXPECT_TRUE(program.ok()) << program.status().message();
    const Result<std::string> text = program->render(variables_of(std::string(R"({"tools": )") + tools + "}"));
    return text.ok() ? *text : std::string(to_string(text.status().code()));
  };
  write("tokenizer_config.json", R"({"model_max_length": 3, "bos_token": "<s>", "chat_template":
        [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T{{ bos_token }}"}, {"name": "rag", "template": "R"}]})");
  EXPECT_EQ(with_tools("[{}]"), "T<s>");
  EXPECT_EQ(with_tools("[]"), "T<s>");  // as transformers: given, if empty
  EXPECT_EQ(with_tools("null"), "D");
  EXPECT_EQ(rendered(), "D");
  // A template in a file of its own is preferred to all of tokenizer_config.json.
  write("chat_template.jinja", "F");
  EXPECT_EQ(with_tools("[{}]"), "F");
  fs::create_directories(directory_ / "additional_chat_templates");
  write("additional_chat_templates/tool_use.jinja", "A{{ bos_token }}");
  EXPECT_EQ(with_tools("[{}]"), "A<s>");
  EXPECT_EQ(rendered(), "F");
  write("additional_chat_templates/tool_use.jinja", "{{");
  EXPECT_EQ(with_tools("[{}]"), "corrupt");  // only where it is wanted
  EXPECT_EQ(rendered(), "F");
}

TEST_F(ChatTemplateFiles, source_is_that_of_the_template_taken) {
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T{{ a }}"}]})");
  const Result<ChatTemplate> program = ChatTemplate::load(directory_.string());
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->source_for(variables_of("{}")), "D");
  EXPECT_EQ(program->source_for(variables_of(R"({"tools": []})")), "T{{ a }}");
  EXPECT_TRUE(program->reads("a"));
}

TEST_F(ChatTemplateFiles, pointers_of_git_lfs_are_no_templates) {
  write("chat_template.jinja", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
  EXPECT_EQ(rendered(), "corrupt");
}

TEST_F(ChatTemplateFiles, older_models_keep_special_tokens_apart) {
  write("tokenizer_config.json", R"({"chat_template": "{{ bos_token }}{{ eos_token }}", "bos_token": "A"})");
  write("special_tokens_map.json", R"({"bos_token": "B", "eos_token": {"content": "E"}})");
  EXPECT_EQ(rendered(), "AE");
}

TEST_F(ChatTemplateFiles, broken_files_are_corrupt_and_missing_templates_not_found) {
  for (const char* config : {R"({"chat_template": 5})", R"({"chat_template": []})", R"({"chat_template": [5]})",
                             R"({"chat_template": [{"name": "default"}]})", R"({"chat_template": "{{"})", "{"}) {
    write("tokenizer_config.json", config);
    EXPECT_EQ(rendered(), "corrupt") << config;
  }
  write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(rendered(), "not_found");
}

// --- hostile templates

TEST(ChatTemplateLimits, growth_is_refused_before_memory_goes) {
  for (const char* source : {
           "{{ 'x' * 100000000 }}",
           "{{ 'x' * 9223372036854775807 }}",
           "{{ [1] * 1000000000 }}",
           "{{ 'a\nb' | indent(100000000) }}",
           "{{ [[1]] | tojson(indent=100000000) }}",
           "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
           "{% set ns = namespace(s='xx') %}{% for i in range(100) %}{% set ns.s = ns.s.replace('x', 'xxxxxxxxxx') %}{% endfor %}",
           "{% set ns = namespace(s=['xxxxxxxx']) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | join }}",
           "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
           "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
           "{% set ns = namespace(s=['x']) %}{% for i in range(1000) %}{% set ns.s = [ns.s] %}{% endfor %}",
           "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
           "{% for i in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
           "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
           "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
           "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = '{0}{0}{0}{0}'.format(ns.s) %}{% endfor %}",
       }) {
    EXPECT_EQ(code_of(source), StatusCode::invalid_argument) << source;
  }
}

TEST(ChatTemplateLimits, equal_but_unshared_structures_cost_steps) {
  const std::string grow =
      "{% set n = namespace(a=['x'], b=['x']) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}";
  EXPECT_EQ(code_of(grow + "{{ n.a == n.b }}"), StatusCode::invalid_argument);
  EXPECT_EQ(code_of(grow + "{{ n.a < n.b }}"), StatusCode::invalid_argument);
  EXPECT_EQ(text_of(grow + "{{ n.a == n.a }}"), "True");
}

TEST(ChatTemplateLimits, nesting_is_refused_at_every_construct) {
  const auto repeated = [](std::string_view text, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  for (const int n : {100, 5000}) {
    EXPECT_EQ(code_of("{{ " + repeated("(", n) + "1" + repeated(")", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("[", n) + repeated("]", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("{1:", n) + "1" + repeated("}", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("-", n) + "1 }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("not ", n) + "1 }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("f(", n) + repeated(")", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("x[", n) + "1" + repeated("]", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("x|d(", n) + "1" + repeated(")", n) + " }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ " + repeated("x is eq ", n) + "1 }}"), StatusCode::ok);
    EXPECT_EQ(code_of("{{ " + repeated("1 if 1 else ", n) + "1 }}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ 1 " + repeated("if 1 ", n) + "}}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of(repeated("{% if 1 %}", n) + repeated("{% endif %}", n)), StatusCode::invalid_argument);
    EXPECT_EQ(code_of(repeated("{% for x in y %}", n)), StatusCode::invalid_argument);
    EXPECT_EQ(code_of(repeated("{% macro m() %}", n)), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{% for " + repeated("(", n) + "x" + repeated(")", n) + " in y %}{% endfor %}"), StatusCode::invalid_argument);
    EXPECT_EQ(code_of("{{ '" + repeated("{:", n) + repeated("}", n) + "'.format(1) }}"), StatusCode::unsupported);
  }
}

TEST(ChatTemplateLimits, long_chains_are_not_nesting) {
  std::string sum = "{{ 1", calls = "{{ 'x'", choice = "{% if 0 %}", words = "{{ 0";
  for (int i = 0; i < 20000; ++i) sum += " + 1", calls += ".lower()", words += " or 0";
  for (int i = 0; i < 5000; ++i) choice += "{% elif 0 %}";
  EXPECT_EQ(text_of(sum + " }}"), "20001");
  EXPECT_EQ(text_of(calls + " }}"), "x");
  EXPECT_EQ(text_of(words + " }}"), "0");
  EXPECT_EQ(text_of(choice + "{% else %}e{% endif %}"), "e");
}

TEST(ChatTemplateLimits, things_that_contain_themselves_print_as_errors) {
  EXPECT_EQ(code_of("{% set n = namespace() %}{% set n.n = n %}{{ n }}"), StatusCode::corrupt);
  EXPECT_EQ(code_of("{% set n = namespace() %}{% set n.n = [n] %}{{ n.n }}"), StatusCode::corrupt);
  EXPECT_EQ(text_of("{% set n = namespace() %}{% set n.n = [n] %}{{ n.n == n.n }}"), "True");
  // A chain through namespaces as long as the steps allow must be freed without recursion.
  EXPECT_EQ(text_of("{% set h = namespace(t=none) %}{% for i in range(100000) %}{% set h.t = namespace(p=h.t) %}{% endfor %}ok"), "ok");
  EXPECT_EQ(text_of("{% set n = namespace() %}{% for x in [1] %}{% macro m() %}{{ x }}{% endmacro %}{% set n.m = m %}{% set n.l = loop %}"
                    "{% endfor %}{{ n.m() }}{{ n.l.index }}{{ n.l.last }}"),
            "11True");
}

TEST(ChatTemplateLimits, loops_asked_from_their_own_condition_do_not_run_away) {
  EXPECT_EQ(code_of("{% set n = namespace(l=none) %}{% for x in range(9) if n.l is none or n.l.length %}{% set n.l = loop %}{% endfor %}"),
            StatusCode::corrupt);
}

TEST(ChatTemplateLimits, deep_variables_are_refused) {
  json::Value deep = 1;
  for (int i = 0; i < 200; ++i) deep = json::Value::array({deep});
  json::Value variables = json::Value::object();
  variables["x"] = deep;
  const Result<ChatTemplate> program = ChatTemplate::parse("{{ x }}", "t");
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program.value().render(variables).status().code(), StatusCode::invalid_argument);
}

TEST(ChatTemplateLimits, output_may_be_four_times_the_input_and_a_megabyte) {
  const std::string long_text(1u << 19, 'x');
  const std::string variables = "{\"x\": \"" + long_text + "\"}";
  EXPECT_EQ(code_of("{% for i in range(5) %}{{ x }}{% endfor %}", variables), StatusCode::ok);
  EXPECT_EQ(code_of("{% for i in range(7) %}{{ x }}{% endfor %}", variables), StatusCode::invalid_argument);
}

TEST(ChatTemplateLimits, searching_hostile_text_is_linear) {
  const std::string x(1u << 20, 'a');
  const std::string variables = "{\"x\": \"" + x + "\", \"y\": \"" + x.substr(0, x.size() / 2) + "b\"}";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(
      text_of("{{ y in x }}{{ x.find(y) }}{{ x.rfind(y) }}{{ x.count(y) }}{{ x.split(y) | length }}{{ x.rsplit(y) | length }}", variables),
      "False-1-1011");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(ChatTemplateLimits, every_truncation_of_a_template_is_an_error_or_a_template) {
  const std::string source =
      kChatMl + "{% macro m(a, b=[1, {'x': 2}]) %}{# c #}{% raw %}{{{% endraw %}{% endmacro %}{{ 'é\\n' ~ m(1)[::2] | trim }}";
  const json::Value variables = variables_of(kChat);
  for (std::size_t n = 0; n <= source.size(); ++n) {
    const Result<ChatTemplate> program = ChatTemplate::parse(source.substr(0, n), "t");
    if (program.ok())
      (void)program.value().render(variables);
    else
      EXPECT_FALSE(program.status().message().empty());
  }
}

TEST(ChatTemplateLimits, what_the_sandbox_hides_stays_hidden) {
  for (const char* source : {"{{ ''.__class__ }}", "{{ x._secret }}", "{{ [].append }}", "{{ {}.update }}", "{{ x['__class__'] }}"})
    EXPECT_EQ(text_of(source, R"({"x": {}})"), "") << source;
  for (const char* source : {"{{ ''.__class__.__mro__ }}", "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ x.pop('a') }}",
                             "{{ ''['__class__']['x'] }}", "{{ [1] | map(attribute='__class__.x') | list }}"})
    EXPECT_EQ(code_of(source, R"({"x": {"a": 1}})"), StatusCode::corrupt) << source;
  EXPECT_EQ(code_of("{{ '{0.__class__.__mro__}'.format(1) }}"), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::text

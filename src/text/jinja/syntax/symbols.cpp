// SPDX-License-Identifier: Apache-2.0
// Two passes over each scope: what it reads and assigns itself, in order, then the scopes inside it. Recursion follows the nesting of the
// source, which the parser bounds.
#include "text/jinja/syntax/symbols.h"

#include <array>
#include <map>
#include <set>

#include "text/jinja/runtime/operations.h"

namespace jang::text::jinja {
namespace {

// How a name starts in a scope.
enum class Start : std::uint8_t { parameter, outside, nothing };

// The names of a scope; within a branch of an `if`, those that the branch adds to `base`.
struct Symbols {
  const Symbols* parent = nullptr;  // the scope around
  const Symbols* base = nullptr;    // the same scope before the branch
  std::map<int, Start> refs;
  std::set<int> stores;

  [[nodiscard]] bool has(int name) const { return refs.contains(name) || (base != nullptr && base->has(name)); }
  [[nodiscard]] bool assigns(int name) const { return stores.contains(name) || (base != nullptr && base->assigns(name)); }
  [[nodiscard]] bool is_outside(int name) const { return parent != nullptr && (parent->has(name) || parent->is_outside(name)); }
  void load(int name) {
    if (!has(name) && !is_outside(name)) refs.emplace(name, Start::outside);
  }
  void store(int name) {
    stores.insert(name);
    if (!has(name)) refs.emplace(name, is_outside(name) ? Start::outside : Start::nothing);
  }
  [[nodiscard]] Symbols branch() const {
    Symbols made;
    made.parent = parent;
    made.base = this;
    return made;
  }
};

class Resolver {
 public:
  void scope(const Statements& body, Symbols& symbols, std::vector<int>& hidden) {
    for (const auto& statement : body) collect(*statement, symbols);
    for (const auto& [name, start] : symbols.refs)
      if (start == Start::nothing) hidden.push_back(name);
    for (const auto& statement : body) descend(*statement, symbols);
  }

 private:
  // --- what a scope itself reads and assigns
  void read(const ExpressionPtr& e, Symbols& symbols) {
    if (e == nullptr) return;
    if (e->kind == Expression::Kind::name) symbols.load(e->name);
    for (const ExpressionPtr& item : e->items) read(item, symbols);
    for (const Suffix& suffix : e->suffixes) {
      for (const ExpressionPtr& item : suffix.items) read(item, symbols);
      for (const ExpressionPtr& item : suffix.arguments.positional) read(item, symbols);
      for (const auto& [name, item] : suffix.arguments.named) read(item, symbols);
    }
  }

  static void assign(const Target& target, Symbols& symbols) {
    if (target.kind == Target::Kind::name) symbols.store(target.name);
    if (target.kind == Target::Kind::attribute) symbols.load(target.name);
    for (const Target& item : target.items) assign(item, symbols);
  }

  static void declare(const Target& target, Symbols& symbols) {
    if (target.kind == Target::Kind::name) symbols.refs[target.name] = Start::parameter;
    for (const Target& item : target.items) declare(item, symbols);
  }

  void collect(const Statement& statement, Symbols& symbols) {
    switch (statement.kind) {
      case Statement::Kind::branches: collect_branches(statement.branches, symbols); return;
      case Statement::Kind::set:
        read(statement.expressions.front(), symbols);
        assign(statement.target, symbols);
        return;
      case Statement::Kind::set_block: assign(statement.target, symbols); return;
      case Statement::Kind::macro: symbols.store(statement.target.name); return;
      default:
        for (const ExpressionPtr& e : statement.expressions) read(e, symbols);
    }
  }

  // if, all elif together, and else are three branches. A name that not all of them assign starts as what is outside.
  void collect_branches(const std::vector<Branch>& branches, Symbols& symbols) {
    read(branches[0].condition, symbols);
    Symbols taken = symbols.branch(), elif = symbols.branch(), otherwise = symbols.branch();
    for (const auto& statement : branches[0].body) collect(*statement, taken);
    for (std::size_t i = 1; i < branches.size(); ++i) {
      if (branches[i].condition == nullptr) {
        for (const auto& statement : branches[i].body) collect(*statement, otherwise);
        continue;
      }
      read(branches[i].condition, elif);
      Symbols inner = elif.branch();
      for (const auto& statement : branches[i].body) collect(*statement, inner);
      merge({&inner, nullptr, nullptr}, elif);
    }
    merge({&taken, &elif, &otherwise}, symbols);
  }

  // nullptr: a branch that does nothing.
  static void merge(const std::array<const Symbols*, 3>& branches, Symbols& into) {
    std::map<int, std::size_t> counts;
    for (const Symbols* branch : branches)
      if (branch != nullptr)
        for (const int name : branch->stores)
          if (!into.assigns(name)) ++counts[name];
    for (const Symbols* branch : branches) {
      if (branch == nullptr) continue;
      for (const auto& [name, start] : branch->refs) into.refs[name] = start;
      into.stores.insert(branch->stores.begin(), branch->stores.end());
    }
    for (const auto& [name, count] : counts)
      if (count != branches.size()) into.refs[name] = Start::outside;
  }

  // --- the scopes inside
  void inner(Statements& body, const Symbols& outer, std::vector<int>& hidden, const std::vector<Target>& parameters = {}) {
    Symbols symbols;
    symbols.parent = &outer;
    for (const Target& target : parameters) declare(target, symbols);
    scope(body, symbols, hidden);
  }

  void descend(Statement& statement, const Symbols& symbols) {
    for (Branch& branch : statement.branches)
      for (const auto& inside : branch.body) descend(*inside, symbols);
    switch (statement.kind) {
      case Statement::Kind::loop: {
        Symbols body;
        body.parent = &symbols;
        declare(statement.target, body);
        if (loop_ >= 0) body.refs[loop_] = Start::parameter;
        scope(statement.body, body, statement.hidden);
        inner(statement.otherwise, symbols, statement.hidden_otherwise);
        return;
      }
      case Statement::Kind::macro: procedure(*statement.procedure, symbols); return;
      case Statement::Kind::with: inner(statement.body, symbols, statement.hidden, statement.targets); return;
      case Statement::Kind::set_block:
      case Statement::Kind::filter:
      case Statement::Kind::generation: inner(statement.body, symbols, statement.hidden); return;
      default: return;
    }
  }

  void procedure(Procedure& procedure, const Symbols& outer) {
    Symbols symbols;
    symbols.parent = &outer;
    for (const int parameter : procedure.parameters) symbols.refs[parameter] = Start::parameter;
    for (const ExpressionPtr& e : procedure.defaults) read(e, symbols);
    scope(procedure.body, symbols, procedure.hidden);
  }

 public:
  explicit Resolver(const Template& source) : loop_(source.loop) {}

 private:
  int loop_;
};

}  // namespace

void resolve_symbols(Template& source) {
  Symbols symbols;
  Resolver(source).scope(source.body, symbols, source.hidden);
}

}  // namespace jang::text::jinja

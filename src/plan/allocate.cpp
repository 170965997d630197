// SPDX-License-Identifier: Apache-2.0
// Symbols: lambda = slope of the relaxation (cost per byte) at the capacity; base = the option of every item that minimises
// cost + lambda * bytes; a state is (w, c), bytes and cost relative to the base; slack = capacity - bytes of the base.
// The reduced cost c + lambda * w of any deviation is >= 0. Over the items still to come let `add` be the least reduced cost per byte added
// and `remove` per byte saved. Then no completion of a state costs less than
//   c + (lambda + remove) * (w - slack)          when w > slack: these bytes must still be saved
//   c - max(0, lambda - add) * (slack - w)       otherwise: at best the rest of the capacity buys at the best rate left.
#include "plan/allocate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace jang::plan {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1e-9;       // of the total cost: gains below it are not looked for
constexpr std::size_t kFewStates = 512;  // per step once max_nodes is reached

// Options of one item worth having: bytes ascending, cost strictly descending.
struct Front {
  std::vector<Option> options;
  std::vector<int> index;  // into Item::options
};

Front make_front(const Item& item) {
  JANG_CHECK(!item.options.empty());
  std::vector<int> order(item.options.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](int i) -> const Option& { return item.options[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return at(a).bytes != at(b).bytes ? at(a).bytes < at(b).bytes : at(a).cost < at(b).cost; });
  Front front;
  for (const int i : order) {
    JANG_CHECK(std::isfinite(at(i).cost));
    if (!front.options.empty() && at(i).cost >= front.options.back().cost) continue;
    front.options.push_back(at(i));
    front.index.push_back(i);
  }
  return front;
}

// Cost saved per byte from option a to the larger option b.
double slope(const Option& a, const Option& b) { return (a.cost - b.cost) / static_cast<double>(b.bytes - a.bytes); }

struct Segment {
  std::size_t item, to;  // next hull option
  double slope;
};

void append_hull(const Front& front, std::size_t item, std::vector<Segment>* segments) {
  std::vector<std::size_t> hull;
  for (std::size_t k = 0; k < front.options.size(); ++k) {
    const auto bends_up = [&] {
      const Option &a = front.options[hull[hull.size() - 2]], &b = front.options[hull.back()];
      return slope(b, front.options[k]) >= slope(a, b);
    };
    while (hull.size() >= 2 && bends_up()) hull.pop_back();
    hull.push_back(k);
  }
  for (std::size_t k = 1; k < hull.size(); ++k)
    segments->push_back({item, hull[k], slope(front.options[hull[k - 1]], front.options[hull[k]])});
}

struct State {
  std::int64_t w;
  double c;
  std::int32_t node;    // its last deviation, -1 = none; while `option` >= 0, the one before
  std::int32_t option;  // deviation not yet in the node list, -1 = none
};

struct Node {
  std::int32_t parent;
  std::uint32_t item;
  std::int32_t option;
};

// An item that may leave its base.
struct CoreItem {
  std::size_t item;
  struct Move {
    std::int32_t option;
    std::int64_t w;
    double c;
  };
  std::vector<Move> moves;
  double add = kInfinity, remove = kInfinity, nearest = kInfinity;
};

class Solver {
 public:
  Solver(std::span<const Item> items, const AllocateLimits& limits) : limits_(limits) {
    fronts_.reserve(items.size());
    for (const Item& item : items) fronts_.push_back(make_front(item));
    position_.assign(items.size(), 0);
  }

  std::optional<Allocation> solve(std::uint64_t capacity) {
    std::uint64_t smallest = 0;
    for (const Front& f : fronts_) smallest += f.options.front().bytes;
    if (smallest > capacity) return std::nullopt;
    if (relax(smallest, reachable(smallest, capacity))) {
      const std::vector<std::size_t> base = position_;
      fill();
      improve(base);
      fill();
    }
    return result();
  }

 private:
  const Option& chosen(std::size_t j) const { return fronts_[j].options[position_[j]]; }

  // The capacity lowered to the next sum that any choice can reach at all.
  std::uint64_t reachable(std::uint64_t smallest, std::uint64_t capacity) const {
    std::uint64_t unit = 0;
    for (const Front& f : fronts_)
      for (const Option& o : f.options) unit = std::gcd(unit, o.bytes - f.options.front().bytes);
    return unit == 0 ? smallest : smallest + (capacity - smallest) / unit * unit;
  }

  // Walks the hulls by slope from the smallest options to the capacity. False when everything fits: the base is the optimum.
  bool relax(std::uint64_t smallest, std::uint64_t capacity) {
    std::vector<Segment> segments;
    for (std::size_t j = 0; j < fronts_.size(); ++j) append_hull(fronts_[j], j, &segments);
    std::stable_sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) { return a.slope > b.slope; });
    slack_ = static_cast<std::int64_t>(capacity - smallest);
    for (const Segment& s : segments) {
      const auto step = static_cast<std::int64_t>(fronts_[s.item].options[s.to].bytes - chosen(s.item).bytes);
      lambda_ = s.slope;
      if (step > slack_) return true;
      slack_ -= step;
      position_[s.item] = s.to;
    }
    return false;
  }

  // Takes the largest saving that fits until none does.
  void fill() {
    std::int64_t left = slack_ - used_;
    for (;;) {
      double best = 0;
      std::size_t item = 0, option = 0;
      for (std::size_t j = 0; j < fronts_.size(); ++j) {
        for (std::size_t k = position_[j] + 1; k < fronts_[j].options.size(); ++k) {
          const Option& o = fronts_[j].options[k];
          if (static_cast<std::int64_t>(o.bytes - chosen(j).bytes) > left) break;
          if (chosen(j).cost - o.cost > best) {
            best = chosen(j).cost - o.cost;
            item = j;
            option = k;
          }
        }
      }
      if (best <= 0) break;
      const auto step = static_cast<std::int64_t>(fronts_[item].options[option].bytes - chosen(item).bytes);
      left -= step;
      used_ += step;
      gain_ -= best;
      position_[item] = option;
    }
  }

  double bound(std::int64_t w, double c, double add, double remove) const {
    if (w > slack_) return c + (lambda_ + remove) * static_cast<double>(w - slack_);
    return c - std::max(0.0, lambda_ - add) * static_cast<double>(slack_ - w);
  }

  std::vector<CoreItem> make_core(const std::vector<std::size_t>& base) const {
    std::vector<CoreItem> core;
    for (std::size_t j = 0; j < fronts_.size(); ++j) {
      CoreItem item{j, {}};
      const Option& from = fronts_[j].options[base[j]];
      for (std::size_t k = 0; k < fronts_[j].options.size(); ++k) {
        if (k == base[j]) continue;
        const Option& to = fronts_[j].options[k];
        const std::int64_t w = static_cast<std::int64_t>(to.bytes) - static_cast<std::int64_t>(from.bytes);
        const double c = to.cost - from.cost;
        if (bound(w, c, 0, 0) >= best_ - tolerance_) continue;
        item.moves.push_back({static_cast<std::int32_t>(k), w, c});
        const double bytes = static_cast<double>(w);
        const double rate = std::max(0.0, c + lambda_ * bytes) / std::fabs(bytes);
        (w > 0 ? item.add : item.remove) = std::min(w > 0 ? item.add : item.remove, rate);
        item.nearest = std::min(item.nearest, rate);
      }
      if (!item.moves.empty()) core.push_back(std::move(item));
    }
    std::stable_sort(core.begin(), core.end(), [](const CoreItem& a, const CoreItem& b) { return a.nearest < b.nearest; });
    return core;
  }

  std::int32_t new_node(std::int32_t parent, std::size_t item, std::int32_t option) {
    nodes_.push_back({parent, static_cast<std::uint32_t>(item), option});
    return static_cast<std::int32_t>(nodes_.size() - 1);
  }

  // The dynamic program. Replaces the incumbent in position_ when it finds better.
  void improve(const std::vector<std::size_t>& base) {
    double total = 0;
    for (std::size_t j = 0; j < fronts_.size(); ++j) total += std::fabs(fronts_[j].options[base[j]].cost);
    tolerance_ = kRounding * total;
    best_ = gain_;
    const std::vector<CoreItem> core = make_core(base);
    std::vector<double> add(core.size() + 1, kInfinity), remove(core.size() + 1, kInfinity);
    for (std::size_t k = core.size(); k-- > 0;) {
      add[k] = std::min(add[k + 1], core[k].add);
      remove[k] = std::min(remove[k + 1], core[k].remove);
    }
    std::vector<State> states = {{0, 0.0, -1, -1}};
    for (std::size_t k = 0; k < core.size() && !states.empty(); ++k) step(core[k], add[k + 1], remove[k + 1], &states);
    if (bound(0, 0, 0, 0) >= best_ - tolerance_) exact_ = true;  // the relaxation itself proves the incumbent
    if (best_node_ < 0) return;
    position_ = base;
    used_ = 0;
    for (std::int32_t n = best_node_; n >= 0; n = nodes_[static_cast<std::size_t>(n)].parent) {
      const Node& node = nodes_[static_cast<std::size_t>(n)];
      position_[node.item] = static_cast<std::size_t>(node.option);
    }
    for (std::size_t j = 0; j < base.size(); ++j)
      used_ += static_cast<std::int64_t>(chosen(j).bytes) - static_cast<std::int64_t>(fronts_[j].options[base[j]].bytes);
  }

  void step(const CoreItem& item, double add, double remove, std::vector<State>* states) {
    const auto by_bytes = [](const State& a, const State& b) { return a.w != b.w ? a.w < b.w : a.c < b.c; };
    std::vector<State> merged, moved, next;
    next = *states;
    for (const CoreItem::Move& move : item.moves) {
      moved.clear();
      for (const State& s : *states) {
        const State t{s.w + move.w, s.c + move.c, s.node, move.option};
        if (t.w <= slack_ && t.c < best_ - tolerance_) {
          best_ = t.c;
          best_node_ = new_node(t.node, item.item, t.option);
        }
        if (bound(t.w, t.c, add, remove) < best_ - tolerance_) moved.push_back(t);
      }
      merged.clear();
      merged.reserve(next.size() + moved.size());
      std::merge(next.begin(), next.end(), moved.begin(), moved.end(), std::back_inserter(merged), by_bytes);
      next.swap(merged);
    }
    keep_front(add, remove, &next);
    for (State& s : next) {
      if (s.option < 0) continue;
      s.node = new_node(s.node, item.item, s.option);
      s.option = -1;
    }
    states->swap(next);
  }

  // Drops dominated and hopeless states, and the least promising ones beyond the limit.
  void keep_front(double add, double remove, std::vector<State>* states) {
    std::size_t n = 0;
    double least = kInfinity;
    for (const State& s : *states) {
      if (s.c >= least || bound(s.w, s.c, add, remove) >= best_ - tolerance_) continue;
      least = s.c;
      (*states)[n++] = s;
    }
    states->resize(n);
    const std::size_t limit = nodes_.size() > limits_.max_nodes ? std::min(kFewStates, limits_.max_states) : limits_.max_states;
    if (n <= limit) return;
    exact_ = false;
    std::vector<std::pair<double, std::size_t>> ranked(n);
    for (std::size_t i = 0; i < n; ++i) ranked[i] = {bound((*states)[i].w, (*states)[i].c, add, remove), i};
    std::nth_element(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(limit), ranked.end());
    ranked.resize(limit);
    std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    for (std::size_t i = 0; i < limit; ++i) (*states)[i] = (*states)[ranked[i].second];
    states->resize(limit);
  }

  Allocation result() const {
    Allocation a;
    for (std::size_t j = 0; j < fronts_.size(); ++j) {
      a.choice.push_back(fronts_[j].index[position_[j]]);
      a.bytes += chosen(j).bytes;
      a.cost += chosen(j).cost;
    }
    a.exact = exact_;
    return a;
  }

  AllocateLimits limits_;
  std::vector<Front> fronts_;
  std::vector<std::size_t> position_;  // incumbent
  std::int64_t slack_ = 0;             // capacity less the base
  std::int64_t used_ = 0;              // of it, by the incumbent
  double lambda_ = 0;
  double gain_ = 0;  // cost of the greedy incumbent relative to the base
  double best_ = 0;  // cost of the incumbent relative to the base
  double tolerance_ = 0;
  std::vector<Node> nodes_;
  std::int32_t best_node_ = -1;
  bool exact_ = true;
};

}  // namespace

std::optional<Allocation> allocate(std::span<const Item> items, std::uint64_t capacity, const AllocateLimits& limits) {
  return Solver(items, limits).solve(std::min(capacity, std::uint64_t{1} << 62));
}

}  // namespace jang::plan

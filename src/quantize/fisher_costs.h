// SPDX-License-Identifier: Apache-2.0
// What every choice is expected to cost in divergence, from gradients. Pure.
//
// F: half the Fisher form of a choice's rounding errors (quantize/measure.h); e: its relative squared error. Alone a unit costs
//
//   D = F / (1 - e)^3 + c n sqrt(F)
//
// The first term grows where much is lost, since the model is then past what its second derivative tells. The second is what routers do,
// whose choices have no gradient: a small change before them sends some tokens to other experts, at a rate that goes with the size of the
// change, sqrt(F). n counts the routers behind the unit; c is one number of the model, learned from anchors: units that were measured alone
// (docs/codecs.md, section 7). Flips of many units meet in the same routers, so that they add as squares do:
//
//   all together: R = sqrt(sum (c n)^2 F);   a unit's part: F / (1 - e)^3 + (c n)^2 F / (2 R)
#pragma once

#include <map>
#include <string>

#include "arch/arch.h"
#include "format/statistics.h"
#include "plan/plan.h"

namespace jang::quantize {

class FisherCosts {
 public:
  // `errors` and `fisher`: of quantize/measure.h, and outlive it; units that only one of them holds are left out. c is the median over the
  // measured units of `statistics` with a router behind them, each at its point of a width next to 4 bits; 0 without such points.
  FisherCosts(const arch::Model& model, const plan::ErrorTable& errors, const plan::CostTable& fisher,
              const format::Statistics& statistics);

  [[nodiscard]] double flips() const { return flips_; }  // c
  [[nodiscard]] int routers_behind(const std::string& unit) const;
  // Divergence with this unit alone at the choice. Precondition: the unit has the choice.
  [[nodiscard]] double alone(const std::string& unit, plan::Choice choice) const;
  // R of the units stored so; units that are not known or not named count nothing.
  [[nodiscard]] double together(const std::map<std::string, plan::Choice>& choices) const;
  // Costs of every choice in company of others whose flips come to `together`; 0: no flips.
  [[nodiscard]] plan::CostTable in_company(double together) const;

 private:
  [[nodiscard]] double grown(const std::string& unit, plan::Choice choice) const;
  [[nodiscard]] double learn_flips(const format::Statistics& statistics) const;

  const plan::ErrorTable& errors_;
  const plan::CostTable& fisher_;
  std::map<std::string, int> behind_;  // by unit
  double flips_ = 0;
};

}  // namespace jang::quantize

// SPDX-License-Identifier: Apache-2.0
// Just enough SVG for charts: shapes with a CSS class (colours belong to the style sheet, so light and dark need no second picture), and
// axes that map values to pixels. Coordinates are pixels of the view box, y downwards.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jang::experiment {

enum class Anchor { start, middle, end };

class Svg {
 public:
  // `title` is what a screen reader says.
  Svg(double width, double height, std::string_view title);

  void line(double x1, double y1, double x2, double y2, std::string_view css);
  void rect(double x, double y, double width, double height, std::string_view css, std::string_view tooltip = {});
  void circle(double x, double y, double radius, std::string_view css, std::string_view tooltip = {});
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view css);
  void text(double x, double y, std::string_view text, std::string_view css, Anchor anchor = Anchor::start, double degrees = 0);
  [[nodiscard]] std::string str() const;

 private:
  std::string head_, body_;
};

// Values [low, high] to pixels [from, to], linear or logarithmic. `from` may be above `to`.
struct Axis {
  bool logarithmic = false;
  double low = 0, high = 1, from = 0, to = 1;
  std::vector<double> ticks;

  // Values beyond the ends are drawn at the ends.
  [[nodiscard]] double at(double value) const;
};
// Round ticks; the ends are widened so that no value lies on the frame. Values that cannot be drawn (not finite; not positive on a
// logarithmic axis) are ignored; with none left the axis is [0, 1] or [0.1, 1].
[[nodiscard]] Axis make_axis(const std::vector<double>& values, bool logarithmic, double from, double to);

// Text of a tick or a value: four significant digits at most, no exponent between 0.001 and 10^6.
[[nodiscard]] std::string short_number(double value);

// Where labels fit: each is tried at some places around its point and takes the first where it covers no earlier label, point or frame.
class LabelPlacer {
 public:
  LabelPlacer(double left, double top, double right, double bottom) : left_(left), top_(top), right_(right), bottom_(bottom) {}
  void avoid(double x, double y, double radius);
  struct Place {
    double x = 0, y = 0;  // of the text's baseline
    Anchor anchor = Anchor::start;
  };
  [[nodiscard]] Place place(double x, double y, std::string_view text, double font_size);

 private:
  struct Box {
    double left, top, right, bottom;
  };
  [[nodiscard]] double overlap(const Box& box) const;
  double left_, top_, right_, bottom_;
  std::vector<Box> taken_;
};

}  // namespace jang::experiment

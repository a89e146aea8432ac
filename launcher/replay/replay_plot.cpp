#include "launcher/replay/replay_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace lockstep {
namespace {

// Of the image, in pixels.
constexpr double kWidth = 760, kHeight = 460, kLeft = 62, kRight = 150, kTop = 42, kBottom = 56;
// Colours that people with colour blindness can tell apart (Okabe & Ito 2008).
constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};

class Axes {
 public:
  explicit Axes(const ReplayReport& report) {
    int64_t least = report.num_blocks, most = 1, hits = report.num_attainable();
    for (const ReplaySeries& series : report.series) {
      for (const ReplayPoint& point : series.points) {
        least = std::min(least, point.capacity);
        most = std::max(most, point.capacity);
        hits = std::max(hits, point.counts.hits);
      }
    }
    low_ = std::log10(static_cast<double>(std::max<int64_t>(1, least)));
    high_ = std::log10(static_cast<double>(most));
    if (high_ - low_ < 0.1) {  // one capacity: some room on both sides
      low_ = std::max(0.0, low_ - 0.5);
      high_ += 0.5;
    }
    const double percent =
        100.0 * static_cast<double>(hits) / static_cast<double>(std::max<int64_t>(1, report.num_accesses));
    step_ = percent > 50 ? 10 : percent > 20 ? 5 : percent > 8 ? 2 : 1;
    top_ = std::max(step_, std::ceil(percent / step_) * step_);
  }

  double x(double capacity) const {
    return kLeft + (std::log10(capacity) - low_) / (high_ - low_) * (kWidth - kLeft - kRight);
  }
  double y(double percent) const { return kHeight - kBottom - percent / top_ * (kHeight - kTop - kBottom); }
  double top() const { return top_; }

  std::string grid() const {
    std::string svg;
    for (double percent = 0; percent <= top_ + 1e-9; percent += step_) {
      svg += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                         y(percent), kWidth - kRight, y(percent));
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.0f}</text>\n", kLeft - 7,
                         y(percent) + 4, percent);
    }
    for (int decade = static_cast<int>(std::floor(low_)); decade <= static_cast<int>(std::ceil(high_)); ++decade) {
      for (const int digit : {1, 2, 3, 5}) {
        const double capacity = digit * std::pow(10.0, decade);
        if (std::log10(capacity) < low_ - 1e-9 || std::log10(capacity) > high_ + 1e-9) continue;
        svg += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n",
                           x(capacity), kTop, kHeight - kBottom, digit == 1 ? "#ddd" : "#f0f0f0");
        svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x(capacity),
                           kHeight - kBottom + 17, short_number(capacity));
      }
    }
    return svg;
  }

 private:
  static std::string short_number(double value) {
    if (value >= 1e9 - 0.5) return fmt::format("{:.0f}G", value / 1e9);
    if (value >= 1e6 - 0.5) return fmt::format("{:.0f}M", value / 1e6);
    if (value >= 1e3 - 0.5) return fmt::format("{:.0f}k", value / 1e3);
    return fmt::format("{:.0f}", value);
  }

  double low_ = 0, high_ = 1;  // logarithms of the capacity
  double top_ = 100, step_ = 10;
};

}  // namespace

std::string plot_of(const ReplayReport& report) {
  const Axes axes(report);
  const auto percent = [&](int64_t hits) {
    return 100.0 * static_cast<double>(hits) / static_cast<double>(std::max<int64_t>(1, report.num_accesses));
  };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += axes.grid();
  svg += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"#444\"/>\n", kLeft,
      kTop, kWidth - kLeft - kRight, kHeight - kTop - kBottom);
  const double middle = kLeft + (kWidth - kLeft - kRight) / 2;
  svg += fmt::format(
      "<text x=\"{:.1f}\" y=\"24\" text-anchor=\"middle\" font-size=\"14\">Hit rate by cache size: {} requests, "
      "{} order</text>\n",
      middle, report.num_requests, report.order);
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">capacity in blocks</text>\n", middle,
                     kHeight - 14);
  svg += fmt::format(
      "<text x=\"16\" y=\"{0:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {0:.1f})\">hit rate in %</text>\n",
      kTop + (kHeight - kTop - kBottom) / 2);

  double legend = kTop + 8;
  const auto add_legend = [&](const std::string& name, const std::string& stroke) {
    svg += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", kWidth - kRight + 14,
                       legend, kWidth - kRight + 40, legend, stroke);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", kWidth - kRight + 46, legend + 4, name);
    legend += 20;
  };
  const double attainable = axes.y(percent(report.num_attainable()));
  const std::string dashes = "stroke=\"#777\" stroke-dasharray=\"6 4\"";
  svg += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", kLeft, attainable,
                     kWidth - kRight, attainable, dashes);
  add_legend("attainable", dashes);
  for (size_t s = 0; s < report.series.size(); ++s) {
    const char* colour = kColours[s % kColours.size()];
    std::string line, dots;
    for (const ReplayPoint& point : report.series[s].points) {
      const double x = axes.x(static_cast<double>(point.capacity)), y = axes.y(percent(point.counts.hits));
      line += fmt::format("{}{:.1f},{:.1f}", line.empty() ? "" : " ", x, y);
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, y, colour);
    }
    svg +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", line, colour) + dots;
    add_legend(report.series[s].policy, fmt::format("stroke=\"{}\" stroke-width=\"2\"", colour));
  }
  return svg + "</svg>\n";
}

}  // namespace lockstep

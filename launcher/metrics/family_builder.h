// Builds Prometheus metric families from values: one call a series. For the .cpp files of launcher/metrics/.
#pragma once

#include <initializer_list>
#include <prometheus/metric_family.h>
#include <string>
#include <string_view>
#include <utility>

namespace lockstep {

using MetricLabels = std::initializer_list<std::pair<const char*, std::string_view>>;

/// One family. `name` without the prefix "lockstep_", with its unit; a counter's ends in _total.
class FamilyBuilder {
 public:
  FamilyBuilder(std::string_view name, std::string_view help, prometheus::MetricType type) {
    family_.name = "lockstep_" + std::string(name);
    family_.help = help;
    family_.type = type;
  }

  /// Adds a series.
  FamilyBuilder& add(double value, MetricLabels labels = {}) {
    prometheus::ClientMetric metric;
    for (const auto& [label, text] : labels) metric.label.push_back({label, std::string(text)});
    metric.counter.value = value;  // the serializer reads the one that belongs to the type
    metric.gauge.value = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  template <class Integer>
  FamilyBuilder& add(Integer value, MetricLabels labels = {}) {
    return add(static_cast<double>(value), labels);
  }
  FamilyBuilder& add(prometheus::ClientMetric metric) {
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  bool is_empty() const { return family_.metric.empty(); }
  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

inline FamilyBuilder counter(std::string_view name, std::string_view help) {
  return {name, help, prometheus::MetricType::Counter};
}
inline FamilyBuilder gauge(std::string_view name, std::string_view help) {
  return {name, help, prometheus::MetricType::Gauge};
}

}  // namespace lockstep

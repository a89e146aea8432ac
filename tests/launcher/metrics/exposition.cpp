#include "tests/launcher/metrics/exposition.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <regex>
#include <stdexcept>

namespace lockstep::testing_support {
namespace {

class Parser {
 public:
  Exposition parse(std::string_view text) {
    require(text.ends_with('\n'), "the last line has no end");
    while (!text.empty()) {
      ++number_;
      line_ = text.substr(0, text.find('\n'));
      text.remove_prefix(line_.size() + 1);
      parse_line();
    }
    end_family();
    return std::move(result_);
  }

 private:
  void require(bool condition, const std::string& fault) const {
    if (!condition) throw std::runtime_error(fmt::format("line {}: {}: {}", number_, fault, line_));
  }

  void parse_line() {
    if (line_.starts_with("# HELP ")) {
      end_family();
      begin_family(line_.substr(7));
    } else if (line_.starts_with("# TYPE ")) {
      const std::string_view rest = line_.substr(7);
      const size_t space = rest.find(' ');
      require(space != rest.npos && rest.substr(0, space) == name_, "TYPE does not follow the HELP of its family");
      require(family().type.empty() && family().samples.empty(), "TYPE comes twice or late");
      family().type = rest.substr(space + 1);
      require(family().type == "counter" || family().type == "gauge" || family().type == "histogram" ||
                  family().type == "summary",
              "unknown type");
      require((family().type == "counter") == name_.ends_with("_total"), "a counter, and only it, ends in _total");
    } else {
      parse_sample();
    }
  }

  void begin_family(std::string_view rest) {
    const size_t space = rest.find(' ');
    require(space != rest.npos && space + 1 < rest.size(), "HELP without a text");
    name_ = rest.substr(0, space);
    static const std::regex kName("[a-z][a-z0-9_]*");
    require(std::regex_match(name_, kName), "not a metric's name");
    require(!result_.families.contains(name_), "the family comes twice");
    family().help = rest.substr(space + 1);
  }

  void parse_sample() {
    require(!name_.empty() && !family().type.empty(), "a sample before its HELP and TYPE");
    const size_t name_end = line_.find_first_of("{ ");
    require(name_end != line_.npos, "a sample without a value");
    const std::string sample(line_.substr(0, name_end));
    const bool has_suffix = family().type == "histogram" || family().type == "summary";
    require(sample == name_ ||
                (has_suffix && (sample == name_ + "_bucket" || sample == name_ + "_sum" || sample == name_ + "_count")),
            "a sample of another family");
    at_ = name_end;
    ExpositionLabels labels;
    if (line_[at_] == '{') labels = parse_labels();
    require(at_ < line_.size() && line_[at_] == ' ', "no blank before the value");
    const double value = parse_value(std::string(line_.substr(at_ + 1)));
    require(family().type != "counter" || (std::isfinite(value) && value >= 0), "a counter's value");
    require(family().samples.emplace(std::pair(sample, labels), value).second, "the series comes twice");
  }

  ExpositionLabels parse_labels() {
    ExpositionLabels labels;
    do {
      ++at_;  // '{' or ','
      const size_t equals = line_.find('=', at_);
      require(equals != line_.npos && equals + 1 < line_.size() && line_[equals + 1] == '"', "a label without a value");
      const std::string name(line_.substr(at_, equals - at_));
      static const std::regex kLabel("[a-zA-Z_][a-zA-Z0-9_]*");
      require(std::regex_match(name, kLabel) && !name.starts_with("__"), "not a label's name");
      at_ = equals + 2;
      require(labels.emplace(name, parse_quoted()).second, "a label comes twice");
      require(at_ < line_.size(), "the labels do not end");
    } while (line_[at_] == ',');
    require(line_[at_] == '}', "no } behind the labels");
    ++at_;
    return labels;
  }

  // From behind the opening quote to behind the closing one.
  std::string parse_quoted() {
    std::string text;
    for (; at_ < line_.size() && line_[at_] != '"'; ++at_) {
      if (line_[at_] != '\\') {
        text += line_[at_];
        continue;
      }
      ++at_;
      require(at_ < line_.size() && (line_[at_] == '\\' || line_[at_] == '"' || line_[at_] == 'n'), "unknown escape");
      text += line_[at_] == 'n' ? '\n' : line_[at_];
    }
    require(at_ < line_.size(), "a label's value does not end");
    ++at_;
    return text;
  }

  double parse_value(const std::string& text) const {
    if (text == "+Inf") return std::numeric_limits<double>::infinity();
    size_t used = 0;
    double value = 0.0;
    try {
      value = std::stod(text, &used);
    } catch (const std::exception&) {
      used = std::string::npos;
    }
    require(used == text.size() && !text.empty(), "not a number");
    return value;
  }

  void end_family() {
    if (name_.empty()) return;
    require(!family().type.empty() && !family().samples.empty(), "before this line: a family without type or samples");
    if (family().type == "histogram") check_histogram();
    name_.clear();
  }

  // One histogram without labels: counts that grow with their bounds up to +Inf, which is the count.
  void check_histogram() const {
    const ExpositionFamily& family = result_.families.at(name_);
    std::map<double, double> counts;
    for (const auto& [key, value] : family.samples)
      if (key.first == name_ + "_bucket") counts[parse_value(key.second.at("le"))] = value;
    double before = 0.0;
    for (const auto& [bound, count] : counts) {
      require(count >= before, "before this line: a bucket holds less than a smaller one");
      before = count;
    }
    require(!counts.empty() && std::isinf(counts.rbegin()->first), "before this line: no bucket +Inf");
    require(family.samples.at({name_ + "_count", {}}) == before, "before this line: _count is not the last bucket");
    require(family.samples.contains({name_ + "_sum", {}}), "before this line: no _sum");
  }

  ExpositionFamily& family() { return result_.families[name_]; }

  Exposition result_;
  std::string name_;  // of the family at hand
  std::string_view line_;
  size_t at_ = 0;
  int number_ = 0;
};

}  // namespace

double Exposition::value(const std::string& name, const ExpositionLabels& labels) const {
  for (const auto& [family_name, family] : families) {
    const auto found = family.samples.find({name, labels});
    if (found != family.samples.end()) return found->second;
  }
  throw std::runtime_error("no series " + name);
}

Exposition parse_exposition(std::string_view text) { return Parser().parse(text); }

}  // namespace lockstep::testing_support

#include "core/settings/layer_ratios.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

LayerRatios parse(const std::string& text) { return LayerRatios::parse("ratios", text); }

std::string message_of(const std::string& text) {
  try {
    parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(LayerRatios, NameLayersAndRangesOfThem) {
  const LayerRatios ratios = parse("8-15:0.05/0:0.02/1:1");
  EXPECT_EQ(ratios.of(0), 0.02);
  EXPECT_EQ(ratios.of(1), 1.0);
  EXPECT_EQ(ratios.of(2), std::nullopt);
  EXPECT_EQ(ratios.of(7), std::nullopt);
  EXPECT_EQ(ratios.of(8), 0.05);
  EXPECT_EQ(ratios.of(15), 0.05);
  EXPECT_EQ(ratios.of(16), std::nullopt);
  EXPECT_EQ(ratios.highest_layer(), 15);
  EXPECT_EQ(ratios.largest_below_one(), 0.05);
  EXPECT_EQ(parse("3:1").largest_below_one(), 0.0);
}

TEST(LayerRatios, NothingNamesNoLayer) {
  EXPECT_TRUE(parse("").is_empty());
  EXPECT_EQ(parse("").of(0), std::nullopt);
  EXPECT_EQ(parse("").highest_layer(), -1);
  EXPECT_EQ(parse("").text(), "");
  EXPECT_EQ(parse("none"), parse(""));
}

TEST(LayerRatios, WhatSaysTheSameHasOneText) {
  EXPECT_EQ(parse("2:0.50/0-1:0.5/4:1e-2").text(), "0-2:0.5/4:0.01");
  EXPECT_EQ(parse("0-2:0.5/4:0.01"), parse("4-4:.01/0:.5/1:.5/2:.5"));
  EXPECT_EQ(parse(parse("0:0.1/1:0.2").text()), parse("0:0.1/1:0.2"));
}

TEST(LayerRatios, OtherFormsAreRefusedByTheirPart) {
  for (const std::string part : {"x:0.5", "1", "1:", ":0.5", "1:0", "1:1.1", "1:-0.5", "1:nan", "-1:0.5", "3-2:0.5",
                                 "1-:0.5", "1:0.5x", "65536:0.5", "1 :0.5", "0:0.5,1:0.5", "none"}) {
    const std::string message = message_of("0:0.5/" + part);
    EXPECT_NE(message.find("\"" + part + "\" is not LAYER:RATIO"), std::string::npos) << part << ": " << message;
  }
  EXPECT_NE(message_of("0:0.5/").find("\"\" is not"), std::string::npos);
  EXPECT_NE(message_of("/").find("\"\" is not"), std::string::npos);
  EXPECT_NE(message_of("0-3:0.5/2:0.1").find("layer 2 is named twice"), std::string::npos);
  EXPECT_NE(message_of("1:0.5/1:0.5").find("layer 1 is named twice"), std::string::npos);
}

}  // namespace
}  // namespace lockstep

#include "launcher/batch/journal_format.h"

#include <gtest/gtest.h>
#include <tuple>
#include <vector>

namespace lockstep {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

const Manifest kManifest{{"input.digest", "ab"}, {"version", "1"}};

TEST(JournalFormat, HeaderCarriesTheManifest) {
  const std::string header = encode_journal_header(kManifest);
  EXPECT_EQ(journal_header_bytes(bytes_of(header)), static_cast<int64_t>(header.size()));
  EXPECT_EQ(decode_journal_header(bytes_of(header)), kManifest);
  // Bytes after the header are not looked at.
  EXPECT_EQ(decode_journal_header(bytes_of(header + "records")), kManifest);
}

TEST(JournalFormat, AnyChangedOrMissingHeaderByteIsNoticed) {
  const std::string header = encode_journal_header(kManifest);
  for (size_t i = 0; i < header.size(); ++i) {
    std::string damaged = header;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(decode_journal_header(bytes_of(damaged))) << i;
    EXPECT_FALSE(decode_journal_header(bytes_of(std::string_view(header).substr(0, i)))) << i;
  }
}

TEST(JournalFormat, OtherVersionsAreTold) {
  const std::string header = encode_journal_header(kManifest);
  EXPECT_EQ(foreign_journal_version(bytes_of(header)), std::nullopt);
  EXPECT_EQ(foreign_journal_version(bytes_of("LSJRNL01 and more")), "LSJRNL01");
  EXPECT_EQ(foreign_journal_version(bytes_of("LSJRNL")), std::nullopt);
  EXPECT_EQ(foreign_journal_version(bytes_of("something else")), std::nullopt);
}

TEST(JournalFormat, OnlyFlatTextIsAManifest) {
  EXPECT_EQ(decode_manifest(encode_manifest(kManifest)), kManifest);
  for (const char* text : {"", "{", "[]", "{\"a\":1}", "{\"a\":{}}"}) EXPECT_FALSE(decode_manifest(text)) << text;
}

TEST(JournalFormat, KindsAndRowsMustFit) {
  for (const auto& [kind, row, is_valid] : std::vector<std::tuple<int, int64_t, bool>>{{0, 0, false},
                                                                                       {1, 0, true},
                                                                                       {2, 0, true},
                                                                                       {3, 0, false},
                                                                                       {4, 0, false},
                                                                                       {1, -1, false},
                                                                                       {2, -1, false},
                                                                                       {3, -1, true}}) {
    const std::string record = encode_record(static_cast<RecordKind>(kind), row, "x");
    const RecordHead head = decode_record_head(bytes_of(record).first<static_cast<size_t>(kRecordHeadBytes)>());
    EXPECT_EQ(is_record_valid(head, "x"), is_valid) << kind << " " << row;
  }
}

TEST(JournalFormat, ManifestMayHoldBytesThatAreNotUtf8) {
  EXPECT_TRUE(decode_journal_header(bytes_of(encode_journal_header({{"path", "a\xFF"}}))));
}

TEST(JournalFormat, RecordRoundTrip) {
  const std::string record = encode_record(RecordKind::kError, 12345678901, "payload");
  const RecordHead head = decode_record_head(bytes_of(record).first<static_cast<size_t>(kRecordHeadBytes)>());
  EXPECT_EQ(head.row, 12345678901);
  EXPECT_EQ(head.kind, RecordKind::kError);
  EXPECT_EQ(head.payload_bytes, 7u);
  EXPECT_TRUE(is_record_valid(head, "payload"));
  EXPECT_FALSE(is_record_valid(head, "Payload"));
  EXPECT_FALSE(is_record_valid({head.payload_bytes, head.checksum, head.kind, head.row + 1}, "payload"));
  EXPECT_FALSE(is_record_valid({head.payload_bytes, head.checksum, RecordKind::kResult, head.row}, "payload"));
}

TEST(JournalFormat, ZerosAreNoRecord) {
  // What a file system may leave where a write was lost.
  EXPECT_FALSE(is_record_valid({}, ""));
}

TEST(JournalFormat, BytesOnDiskStayAsTheyAre) {
  // A journal must be readable by later versions: these bytes may change only together with the magic.
  EXPECT_EQ(encode_journal_header({}).substr(0, 12), std::string("LSJRNL02\x02\0\0\0", 12));
  const std::string record = encode_record(RecordKind::kError, 1, "x");
  EXPECT_EQ(record.substr(0, 4), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(record.substr(8), std::string("\x02\x01\0\0\0\0\0\0\0x", 10));
  const std::string manifest = encode_record(RecordKind::kManifest, kManifestRow, "{}");
  EXPECT_EQ(manifest.substr(8), std::string("\x03\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}", 11));
}

TEST(JournalFormat, DifferencesAreNamed) {
  EXPECT_EQ(describe_difference(kManifest, kManifest), "");
  EXPECT_EQ(describe_difference({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {{"b", "2"}, {"c", "4"}, {"d", "5"}}),
            "  a: journal has \"1\", this job has nothing\n"
            "  c: journal has \"3\", this job has \"4\"\n"
            "  d: journal has nothing, this job has \"5\"\n");
}

}  // namespace
}  // namespace lockstep

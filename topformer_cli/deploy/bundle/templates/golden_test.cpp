// Runs pre- and post-processing on the golden picture and compares with the golden, byte by byte.
// Usage: golden_test GOLDEN_FOLDER; exits with 1 when anything differs.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "topformer.hpp"

namespace {

constexpr topformer::Size kPicture{@PICTURE_HEIGHT@, @PICTURE_WIDTH@};
constexpr int kAlpha = @OVERLAY_ALPHA@;

using Output = std::conditional_t<topformer::model::kEndsInLabels, std::int32_t, float>;

template <typename T>
std::vector<T> read(const std::string& path, std::size_t count) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file || bytes.size() != count * sizeof(T)) {
        std::fprintf(stderr, "%s: %zu bytes instead of %zu\n", path.c_str(), bytes.size(),
                     count * sizeof(T));
        std::exit(1);
    }
    std::vector<T> values(count);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

template <typename T>
bool same(const char* what, const std::vector<T>& found, const std::vector<T>& golden) {
    std::size_t different = found.size() == golden.size() ? 0 : golden.size();
    for (std::size_t i = 0; i < found.size() && i < golden.size(); ++i) {
        different += found[i] != golden[i];
    }
    const char* verdict = different ? "DIFFERS" : "equal";
    std::printf("%-15s %s (%zu of %zu values differ)\n", what, verdict, different, golden.size());
    return different == 0;
}

std::size_t area(topformer::Size size) {
    return static_cast<std::size_t>(size.height) * size.width;
}

// The output as the TNN file gives it, the channels that do not count set to what would win.
std::vector<Output> padded(std::vector<Output> output) {
    using namespace topformer::model;
    output.resize(kTnnOutputChannels * area(topformer::kOutputSize), Output(1000000));
    return output;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace topformer;
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s GOLDEN_FOLDER\n", argv[0]);
        return 2;
    }
    const std::string folder = std::string(argv[1]) + "/";
    const auto picture = read<std::uint8_t>(folder + "picture.bin", area(kPicture) * 3);
    const auto tensor = read<model::InputValue>(folder + "tensor.bin", area(kInputSize) * 3);
    const auto output =
        read<Output>(folder + "output.bin", model::kOutputChannels * area(kOutputSize));
    const auto labels = read<std::uint8_t>(folder + "labels.bin", area(kInputSize));
    const auto picture_labels =
        read<std::uint8_t>(folder + "picture_labels.bin", area(kPicture));
    const auto layer = read<std::uint8_t>(folder + "layer.bin", area(kPicture) * 4);

    const Labels found = labels_of_output(padded(output).data(), kPicture);
    bool equal = same("tensor", preprocess(picture.data(), kPicture), tensor);
    equal &= same("labels", labels_of_output(output.data(), kInputSize).values, labels);
    equal &= same("picture_labels", found.values, picture_labels);
    equal &= same("layer", colour_layer(found, kAlpha), layer);
    return equal ? 0 : 1;
}

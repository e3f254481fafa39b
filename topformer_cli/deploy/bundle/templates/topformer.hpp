// Before and after the network: picture -> input tensor, output -> class numbers -> colours.
//
//   auto input = topformer::preprocess(rgb, {picture_height, picture_width});
//   ... run the network on input.data() ...
//   auto labels = topformer::labels_of_output(output, {picture_height, picture_width});
//   auto layer = topformer::colour_layer(labels, 140);   // RGBA to lay over the picture
//
// C++17, no dependency. Positions and weights are integers in units of 1/2048, and products of a
// weight and a float are exact in double, so that every compiler gives the same bits. Do not
// build it with -ffast-math.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "model_constants.hpp"

namespace topformer {

struct Size {
    int height;
    int width;
};

inline constexpr Size kInputSize{model::kInputHeight, model::kInputWidth};
inline constexpr Size kOutputSize{model::kOutputHeight, model::kOutputWidth};

namespace detail {

inline constexpr int kUnit = 2048;

// One sample of a resized axis: (in[low] * (kUnit - weight) + in[high] * weight) / kUnit.
struct Tap {
    int low;
    int high;
    int weight;
};

// Samples at the centres of `wanted` equal parts of `length` samples; the ends are repeated.
inline std::vector<Tap> taps(int length, int wanted) {
    std::vector<Tap> result(static_cast<std::size_t>(wanted));
    const std::int64_t last = static_cast<std::int64_t>(length - 1) * kUnit;
    for (int i = 0; i < wanted; ++i) {
        const std::int64_t centre = (2 * static_cast<std::int64_t>(i) + 1) * length * kUnit;
        const std::int64_t position = (centre + wanted) / (2 * wanted) - kUnit / 2;
        const std::int64_t inside = std::clamp<std::int64_t>(position, 0, last);
        const int low = static_cast<int>(inside / kUnit);
        result[i] = {low, std::min(low + 1, length - 1), static_cast<int>(inside % kUnit)};
    }
    return result;
}

// The sample under the centre of each of `wanted` equal parts.
inline std::vector<int> nearest(int length, int wanted) {
    std::vector<int> result(static_cast<std::size_t>(wanted));
    for (int i = 0; i < wanted; ++i) {
        result[i] = static_cast<int>((2 * static_cast<std::int64_t>(i) + 1) * length / (2 * wanted));
    }
    return result;
}

// One row of all channels, resized to the width of `across`: [channels, width].
inline void widen(const float* plane_row, std::size_t plane, const std::vector<Tap>& across,
                  std::vector<float>& row) {
    const std::size_t width = across.size();
    for (int c = 0; c < model::kOutputChannels; ++c) {
        const float* in = plane_row + c * plane;
        float* out = row.data() + c * width;
        for (std::size_t x = 0; x < width; ++x) {
            const Tap& tap = across[x];
            out[x] = static_cast<float>(static_cast<double>(in[tap.low]) * (kUnit - tap.weight) +
                                        static_cast<double>(in[tap.high]) * tap.weight);
        }
    }
}

}  // namespace detail

// Resizes RGB bytes [height, width, 3], bilinear with half-pixel centres, rounded to nearest.
inline std::vector<std::uint8_t> resize(const std::uint8_t* rgb, Size from, Size to) {
    const auto down = detail::taps(from.height, to.height);
    const auto across = detail::taps(from.width, to.width);
    std::vector<std::uint8_t> result(static_cast<std::size_t>(to.height) * to.width * 3);
    std::uint8_t* out = result.data();
    for (const auto& y : down) {
        const std::uint8_t* upper = rgb + static_cast<std::size_t>(y.low) * from.width * 3;
        const std::uint8_t* lower = rgb + static_cast<std::size_t>(y.high) * from.width * 3;
        for (const auto& x : across) {
            for (int c = 0; c < 3; ++c) {
                const std::int32_t left = x.low * 3 + c;
                const std::int32_t right = x.high * 3 + c;
                const std::uint32_t top =
                    upper[left] * (detail::kUnit - x.weight) + upper[right] * x.weight;
                const std::uint32_t bottom =
                    lower[left] * (detail::kUnit - x.weight) + lower[right] * x.weight;
                const std::uint32_t sum = top * (detail::kUnit - y.weight) + bottom * y.weight;
                *out++ = static_cast<std::uint8_t>(
                    (sum + detail::kUnit * detail::kUnit / 2) / (detail::kUnit * detail::kUnit));
            }
        }
    }
    return result;
}

// Turns RGB bytes of any size into the input tensor [1, 3, kInputHeight, kInputWidth]. The picture
// is stretched to the input size. With Value = float a network that takes bytes gets them as
// floats 0..255, which is how TNN takes them.
template <typename Value = model::InputValue>
std::vector<Value> preprocess(const std::uint8_t* rgb, Size size) {
    const auto pixels = resize(rgb, size, kInputSize);
    const std::size_t plane = pixels.size() / 3;
    std::vector<Value> tensor(pixels.size());
    for (int c = 0; c < 3; ++c) {
        Value table[256];
        for (int value = 0; value < 256; ++value) {
            if constexpr (model::kInputIsBytes) {
                table[value] = static_cast<Value>(value);
            } else {
                table[value] =
                    (static_cast<float>(value) - model::kMean[c]) / model::kStd[c];
            }
        }
        for (std::size_t i = 0; i < plane; ++i) {
            tensor[c * plane + i] = table[pixels[i * 3 + c]];
        }
    }
    return tensor;
}

// Class numbers [height, width].
struct Labels {
    Size size;
    std::vector<std::uint8_t> values;
};

// Logits [1, channels, kOutputHeight, kOutputWidth] -> the best class of every pixel at a size
// (the input's, the picture's): logits are resized bilinearly first; of equal classes the first
// wins. Channels after the first kOutputChannels, which a TNN file may have, are not looked at.
inline Labels labels_of_logits(const float* logits, Size to) {
    const auto down = detail::taps(kOutputSize.height, to.height);
    const auto across = detail::taps(kOutputSize.width, to.width);
    const std::size_t plane = static_cast<std::size_t>(kOutputSize.height) * kOutputSize.width;
    const std::size_t width = static_cast<std::size_t>(to.width);
    std::vector<float> upper(model::kOutputChannels * width), lower(upper.size());
    std::vector<double> best(width);
    Labels result{to, std::vector<std::uint8_t>(static_cast<std::size_t>(to.height) * width)};
    int done = -1;
    for (int y = 0; y < to.height; ++y) {
        const auto& tap = down[y];
        if (tap.low != done) {
            detail::widen(logits + tap.low * kOutputSize.width, plane, across, upper);
            detail::widen(logits + tap.high * kOutputSize.width, plane, across, lower);
            done = tap.low;
        }
        std::uint8_t* label = result.values.data() + y * width;
        std::fill(best.begin(), best.end(), -std::numeric_limits<double>::infinity());
        for (int c = 0; c < model::kOutputChannels; ++c) {
            const float* top = upper.data() + c * width;
            const float* bottom = lower.data() + c * width;
            for (std::size_t x = 0; x < width; ++x) {
                const double value = static_cast<double>(top[x]) * (detail::kUnit - tap.weight) +
                                     static_cast<double>(bottom[x]) * tap.weight;
                if (value > best[x]) {
                    best[x] = value;
                    label[x] = static_cast<std::uint8_t>(c);
                }
            }
        }
    }
    return result;
}

// A label map [1, 1, kOutputHeight, kOutputWidth] of any number type -> labels at a size: the
// label under the centre of each pixel.
template <typename Number>
Labels labels_of_map(const Number* map, Size to) {
    const auto down = detail::nearest(kOutputSize.height, to.height);
    const auto across = detail::nearest(kOutputSize.width, to.width);
    Labels result{to, {}};
    result.values.reserve(static_cast<std::size_t>(to.height) * to.width);
    for (int y : down) {
        for (int x : across) {
            const Number label = map[static_cast<std::size_t>(y) * kOutputSize.width + x];
            result.values.push_back(static_cast<std::uint8_t>(label));
        }
    }
    return result;
}

// The output of this model -> labels at a size.
template <typename Number>
Labels labels_of_output(const Number* output, Size to) {
    if constexpr (model::kEndsInLabels) {
        return labels_of_map(output, to);
    } else {
        return labels_of_logits(output, to);
    }
}

// RGBA bytes [height, width, 4] in the classes' colours, all of one alpha (not premultiplied), to
// lay over the picture.
inline std::vector<std::uint8_t> colour_layer(const Labels& labels, std::uint8_t alpha) {
    std::vector<std::uint8_t> layer;
    layer.reserve(labels.values.size() * 4);
    for (std::uint8_t label : labels.values) {
        const auto& colour = model::kPalette[label];
        layer.insert(layer.end(), {colour[0], colour[1], colour[2], alpha});
    }
    return layer;
}

}  // namespace topformer

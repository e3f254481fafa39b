// The constants of one exported model. Generated; see MODEL_CARD.md.
#pragma once

#include <cstdint>
#include <type_traits>

namespace topformer::model {

inline constexpr char kName[] = @NAME@;

// The network's input is [1, 3, kInputHeight, kInputWidth], RGB.
inline constexpr int kInputHeight = @INPUT_HEIGHT@;
inline constexpr int kInputWidth = @INPUT_WIDTH@;

// true: it takes bytes 0..255 and normalises them itself. false: it takes normalised floats.
inline constexpr bool kInputIsBytes = @INPUT_IS_BYTES@;
using InputValue = std::conditional_t<kInputIsBytes, std::uint8_t, float>;

// true: the output is a map of class numbers [1, 1, height, width]. false: logits
// [1, channels, height, width].
inline constexpr bool kEndsInLabels = @ENDS_IN_LABELS@;
inline constexpr int kOutputHeight = @OUTPUT_HEIGHT@;
inline constexpr int kOutputWidth = @OUTPUT_WIDTH@;
inline constexpr int kOutputChannels = @OUTPUT_CHANNELS@;

// The TNN file may end in more channels than count, for a faster kernel; the first
// kOutputChannels are the classes.
inline constexpr int kTnnOutputChannels = @TNN_CHANNELS@;

// On the 0..255 scale, by channel R, G, B.
inline constexpr float kMean[3] = {@MEAN_CPP@};
inline constexpr float kStd[3] = {@STD_CPP@};

inline constexpr int kClasses = @CLASSES@;
inline constexpr const char* kClassNames[kClasses] = {
    @NAMES_CPP@
};
inline constexpr std::uint8_t kPalette[kClasses][3] = {
    @PALETTE_CPP@
};

}  // namespace topformer::model

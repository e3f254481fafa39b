// The constants of one exported model. Generated; see MODEL_CARD.md.
package topformer

object ModelConstants {
    const val NAME = @NAME@

    /** The network's input is [1, 3, INPUT_HEIGHT, INPUT_WIDTH], RGB. */
    const val INPUT_HEIGHT = @INPUT_HEIGHT@
    const val INPUT_WIDTH = @INPUT_WIDTH@

    /** true: it takes bytes 0..255 and normalises them itself. false: normalised floats. */
    const val INPUT_IS_BYTES = @INPUT_IS_BYTES@

    /** true: the output is a map of class numbers [1, 1, height, width]. false: logits. */
    const val ENDS_IN_LABELS = @ENDS_IN_LABELS@
    const val OUTPUT_HEIGHT = @OUTPUT_HEIGHT@
    const val OUTPUT_WIDTH = @OUTPUT_WIDTH@
    const val OUTPUT_CHANNELS = @OUTPUT_CHANNELS@

    /** The TNN file may end in more channels than count; the first OUTPUT_CHANNELS do. */
    const val TNN_OUTPUT_CHANNELS = @TNN_CHANNELS@

    /** On the 0..255 scale, by channel R, G, B. */
    val MEAN = floatArrayOf(@MEAN_CPP@)
    val STD = floatArrayOf(@STD_CPP@)

    val CLASS_NAMES = arrayOf(
        @NAMES_KOTLIN@
    )

    /** 0xRRGGBB by class. */
    val PALETTE = intArrayOf(
        @PALETTE_KOTLIN@
    )
}

// Runs pre- and post-processing on the golden picture and compares with the golden, value by value.
// Usage: GoldenTestKt GOLDEN_FOLDER; exits with 1 when anything differs. Not for the app.
package topformer

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.system.exitProcess

private val picture = Size(@PICTURE_HEIGHT@, @PICTURE_WIDTH@)
private const val ALPHA = @OVERLAY_ALPHA@

private fun read(folder: String, name: String): ByteBuffer =
    ByteBuffer.wrap(File(folder, name).readBytes()).order(ByteOrder.LITTLE_ENDIAN)

private fun pixels(bytes: ByteBuffer, channels: Int): IntArray =
    IntArray(bytes.capacity() / channels) {
        val value = { c: Int -> bytes.get(it * channels + c).toInt() and 255 }
        val alpha = if (channels == 4) value(3) else 255
        (alpha shl 24) or (value(0) shl 16) or (value(1) shl 8) or value(2)
    }

private fun same(what: String, equal: Boolean): Boolean {
    println("%-15s %s".format(what, if (equal) "equal" else "DIFFERS"))
    return equal
}

private fun sameTensor(rgb: IntArray, golden: ByteBuffer): Boolean {
    if (ModelConstants.INPUT_IS_BYTES) return TopFormer.preprocessBytes(rgb, picture) == golden
    val found = TopFormer.preprocess(rgb, picture)
    val expected = golden.asFloatBuffer()
    return found.capacity() == expected.capacity() &&
        (0 until found.capacity()).all { found.get(it) == expected.get(it) }
}

private fun labels(output: ByteBuffer, to: Size): Labels {
    if (!ModelConstants.ENDS_IN_LABELS) {
        return TopFormer.labelsOfLogits(output.asFloatBuffer(), to)
    }
    val map = IntArray(output.capacity() / 4)
    output.asIntBuffer().get(map)
    return TopFormer.labelsOfMap(map, to)
}

fun main(words: Array<String>) {
    val folder = words.single()
    val rgb = pixels(read(folder, "picture.bin"), 3)
    val output = read(folder, "output.bin")
    val small = labels(output, TopFormer.inputSize)
    val large = labels(output, picture)
    val layer = TopFormer.colourLayer(large, ALPHA)
    val results = listOf(
        same("tensor", sameTensor(rgb, read(folder, "tensor.bin"))),
        same("labels", small.values.contentEquals(read(folder, "labels.bin").array())),
        same(
            "picture_labels",
            large.values.contentEquals(read(folder, "picture_labels.bin").array()),
        ),
        same("layer", layer.contentEquals(pixels(read(folder, "layer.bin"), 4))),
    )
    exitProcess(if (results.all { it }) 0 else 1)
}

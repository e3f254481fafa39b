// Before and after the network: pixels -> input tensor, output -> class numbers -> colours.
//
// Plain Kotlin. On Android, pixels come from Bitmap.getPixels and a layer goes to
// Bitmap.createBitmap(layer, width, height, Bitmap.Config.ARGB_8888). The same definition as
// cpp/topformer.hpp, to the last bit: weights are integers in units of 1/2048, and products of a
// weight and a float are exact in double.
package topformer

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer

data class Size(val height: Int, val width: Int)

/** Class numbers [height, width], one byte a pixel (0..255 as unsigned). */
class Labels(val size: Size, val values: ByteArray)

object TopFormer {
    private const val UNIT = 2048

    val inputSize = Size(ModelConstants.INPUT_HEIGHT, ModelConstants.INPUT_WIDTH)
    val outputSize = Size(ModelConstants.OUTPUT_HEIGHT, ModelConstants.OUTPUT_WIDTH)

    /** One resized axis: out = (in[low] * (UNIT - weight) + in[high] * weight) / UNIT. */
    private class Taps(length: Int, wanted: Int) {
        val low = IntArray(wanted)
        val high = IntArray(wanted)
        val weight = IntArray(wanted)

        init {
            for (i in 0 until wanted) {
                val centre = (2L * i + 1) * length * UNIT
                val position = Math.floorDiv(centre + wanted, 2L * wanted) - UNIT / 2
                val inside = position.coerceIn(0L, (length - 1L) * UNIT)
                low[i] = (inside / UNIT).toInt()
                high[i] = minOf(low[i] + 1, length - 1)
                weight[i] = (inside % UNIT).toInt()
            }
        }
    }

    /** Resizes 0xAARRGGBB pixels, bilinear with half-pixel centres, to RGB bytes [h, w, 3]. */
    fun resize(pixels: IntArray, from: Size, to: Size): ByteArray {
        val down = Taps(from.height, to.height)
        val across = Taps(from.width, to.width)
        val result = ByteArray(to.height * to.width * 3)
        var out = 0
        for (y in 0 until to.height) {
            val upper = down.low[y] * from.width
            val lower = down.high[y] * from.width
            for (x in 0 until to.width) {
                val a = pixels[upper + across.low[x]]
                val b = pixels[upper + across.high[x]]
                val c = pixels[lower + across.low[x]]
                val d = pixels[lower + across.high[x]]
                for (shift in intArrayOf(16, 8, 0)) {
                    val top = mix(a shr shift and 255, b shr shift and 255, across.weight[x])
                    val bottom = mix(c shr shift and 255, d shr shift and 255, across.weight[x])
                    val sum = mix(top, bottom, down.weight[y])
                    result[out++] = ((sum + UNIT * UNIT / 2) / (UNIT * UNIT)).toByte()
                }
            }
        }
        return result
    }

    private fun mix(first: Int, second: Int, weight: Int) =
        first * (UNIT - weight) + second * weight

    /**
     * The input tensor [1, 3, INPUT_HEIGHT, INPUT_WIDTH] as floats in the machine's byte order; the
     * picture is stretched to the input size. A network that takes bytes gets them as floats
     * 0..255 here, which is how TNN takes them.
     */
    fun preprocess(pixels: IntArray, size: Size): FloatBuffer {
        val rgb = resize(pixels, size, inputSize)
        val plane = rgb.size / 3
        val tensor = ByteBuffer.allocateDirect(rgb.size * 4).order(ByteOrder.nativeOrder())
            .asFloatBuffer()
        for (c in 0 until 3) {
            val table = FloatArray(256) {
                if (ModelConstants.INPUT_IS_BYTES) it.toFloat()
                else (it.toFloat() - ModelConstants.MEAN[c]) / ModelConstants.STD[c]
            }
            for (i in 0 until plane) {
                tensor.put(c * plane + i, table[rgb[i * 3 + c].toInt() and 255])
            }
        }
        return tensor
    }

    /** The input tensor of a network that takes bytes, [1, 3, INPUT_HEIGHT, INPUT_WIDTH]. */
    fun preprocessBytes(pixels: IntArray, size: Size): ByteBuffer {
        val rgb = resize(pixels, size, inputSize)
        val plane = rgb.size / 3
        val tensor = ByteBuffer.allocateDirect(rgb.size)
        for (c in 0 until 3) {
            for (i in 0 until plane) tensor.put(c * plane + i, rgb[i * 3 + c])
        }
        return tensor
    }

    /**
     * Logits [1, channels, OUTPUT_HEIGHT, OUTPUT_WIDTH] -> the best class of every pixel at a size:
     * logits are resized bilinearly first; of equal classes the first wins. Channels after the
     * first OUTPUT_CHANNELS, which a TNN file may have, are not looked at.
     */
    fun labelsOfLogits(logits: FloatBuffer, to: Size): Labels {
        val down = Taps(outputSize.height, to.height)
        val across = Taps(outputSize.width, to.width)
        val upper = FloatArray(ModelConstants.OUTPUT_CHANNELS * to.width)
        val lower = FloatArray(upper.size)
        val best = DoubleArray(to.width)
        val labels = ByteArray(to.height * to.width)
        var done = -1
        for (y in 0 until to.height) {
            if (down.low[y] != done) {
                widen(logits, down.low[y], across, upper)
                widen(logits, down.high[y], across, lower)
                done = down.low[y]
            }
            best.fill(Double.NEGATIVE_INFINITY)
            val weight = down.weight[y]
            for (c in 0 until ModelConstants.OUTPUT_CHANNELS) {
                for (x in 0 until to.width) {
                    val at = c * to.width + x
                    val value = upper[at].toDouble() * (UNIT - weight) +
                        lower[at].toDouble() * weight
                    if (value > best[x]) {
                        best[x] = value
                        labels[y * to.width + x] = c.toByte()
                    }
                }
            }
        }
        return Labels(to, labels)
    }

    /** One row of all channels, resized to a width: [channels, width]. */
    private fun widen(logits: FloatBuffer, y: Int, across: Taps, row: FloatArray) {
        val width = across.low.size
        for (c in 0 until ModelConstants.OUTPUT_CHANNELS) {
            val start = (c * outputSize.height + y) * outputSize.width
            for (x in 0 until width) {
                val left = logits.get(start + across.low[x]).toDouble()
                val right = logits.get(start + across.high[x]).toDouble()
                val weight = across.weight[x]
                row[c * width + x] = (left * (UNIT - weight) + right * weight).toFloat()
            }
        }
    }

    /** A label map [1, 1, OUTPUT_HEIGHT, OUTPUT_WIDTH] -> the label under each pixel's centre. */
    fun labelsOfMap(map: IntArray, to: Size): Labels {
        val labels = ByteArray(to.height * to.width)
        for (y in 0 until to.height) {
            val row = nearest(outputSize.height, to.height, y) * outputSize.width
            for (x in 0 until to.width) {
                val at = row + nearest(outputSize.width, to.width, x)
                labels[y * to.width + x] = map[at].toByte()
            }
        }
        return Labels(to, labels)
    }

    private fun nearest(length: Int, wanted: Int, i: Int) =
        ((2L * i + 1) * length / (2L * wanted)).toInt()

    /** 0xAARRGGBB pixels in the classes' colours, all of one alpha, to lay over the picture. */
    fun colourLayer(labels: Labels, alpha: Int): IntArray =
        IntArray(labels.values.size) {
            (alpha shl 24) or ModelConstants.PALETTE[labels.values[it].toInt() and 255]
        }
}

// Makes rep-max-cdc.json: what the reference implementation of RepMaxCDC makes of bytes that the test can make too.
//
//	cd test/store/chunks/vectors && go run . > rep-max-cdc.json
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/buildbarn/go-cdc"
)

// Bytes of one kind. Those of "noise" come from a xorshift, four at a time.
func input(kind string, length int) []byte {
	out := make([]byte, length)
	state := uint32(2463534242)
	next := func() uint32 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		return state
	}
	switch kind {
	case "zeros":
	case "noise":
		for at := 0; at < length; at += 4 {
			word := next()
			for i := 0; i < 4 && at+i < length; i++ {
				out[at+i] = byte(word >> (8 * i))
			}
		}
	case "pattern":
		for at := range out {
			out[at] = byte(at % 251)
		}
	case "text":
		var text bytes.Buffer
		for line := 0; text.Len() < length; line++ {
			fmt.Fprintf(&text, "This is line %d of a text.\n", line)
		}
		copy(out, text.Bytes())
	case "islands":
		// Noise with zeros between.
		for at := range out {
			if word := next(); at/100%3 != 0 {
				out[at] = byte(word)
			}
		}
	}
	return out
}

// Around each length at which something begins or ends.
func sizes(min, horizon int) []int {
	full := 2*min + horizon
	return []int{1, 63, min - 1, min, min + 1, 2*min - 1, 2 * min, 2*min + 1, 3*min - 1, 3 * min,
		full - 1, full, full + 1, full + min, 3*full + 17, 20*min + horizon + 5}
}

func lengths(data []byte, min, horizon int) []string {
	chunker := cdc.NewRepMaxContentDefinedChunker(&cdc.FastContentDefinedChunkerGearTable, min, horizon)
	reader := chunker.NewChunkReader(bufio.NewReaderSize(bytes.NewReader(data), chunker.GetMaximumPeekSizeBytes()))
	var found []string
	for {
		chunk, err := reader.ReadNextChunk()
		if err == io.EOF {
			return found
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		found = append(found, strconv.Itoa(len(chunk)))
	}
}

func vector(kind string, min, horizon int, sizes []int) string {
	count := 0
	hash := sha256.New()
	for _, size := range sizes {
		found := lengths(input(kind, size), min, horizon)
		count += len(found)
		fmt.Fprintln(hash, strings.Join(found, ","))
	}
	return fmt.Sprintf(`  { "input": %q, "min": %d, "horizon": %d, "chunks": %d, "sha256": %q }`,
		kind, min, horizon, count, hex.EncodeToString(hash.Sum(nil)))
}

func main() {
	var vectors []string
	for _, kind := range []string{"zeros", "noise", "pattern", "text", "islands"} {
		for _, min := range []int{64, 65, 256, 1000, 4096} {
			for _, horizon := range []int{0, 1, min / 2, min - 1, 2*min - 2, 8 * min} {
				vectors = append(vectors, vector(kind, min, horizon, sizes(min, horizon)))
			}
		}
		vectors = append(vectors, vector(kind, 262144, 2097152, []int{20_000_003}))
	}
	fmt.Printf("[\n%s\n]\n", strings.Join(vectors, ",\n"))
}

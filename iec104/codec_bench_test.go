package iec104

import (
	"fmt"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// benchObjects builds an I-frame with n objects, or as many as fit.
func benchFrame(b *testing.B, typ asdu.TypeID, n int) (frame []byte, objects int) {
	var builder asdu.Builder
	if err := builder.Reset(asdu.DefaultProfile, asdu.Header{Type: typ, Cause: asdu.Spontaneous, CommonAddress: 1}); err != nil {
		b.Fatal(err)
	}
	for builder.Len() < n && builder.Add(asdu.Object{Address: asdu.InformationObjectAddress(builder.Len() + 1)}) == nil {
	}
	return AppendI(nil, 1, 2, builder.ASDU()), builder.Len()
}

var benchSum float64

func BenchmarkDecode(b *testing.B) {
	for _, typ := range asdutest.Types {
		for _, n := range []int{1, 20} {
			frame, objects := benchFrame(b, typ, n)
			b.Run(fmt.Sprintf("%v/%d", typ, objects), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				var sum float64
				for b.Loop() {
					f, _, err := ParseFrame(frame)
					if err != nil {
						b.Fatal(err)
					}
					a, err := asdu.DefaultProfile.Parse(f.ASDU)
					if err != nil {
						b.Fatal(err)
					}
					for o := range a.Objects() {
						sum += o.Value
					}
				}
				benchSum = sum
				b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	var builder asdu.Builder
	for _, typ := range asdutest.Types {
		for _, n := range []int{1, 20} {
			frame, objects := benchFrame(b, typ, n)
			b.Run(fmt.Sprintf("%v/%d", typ, objects), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				for b.Loop() {
					if err := builder.Reset(asdu.DefaultProfile, asdu.Header{Type: typ, Cause: asdu.Spontaneous, CommonAddress: 1}); err != nil {
						b.Fatal(err)
					}
					for i := range objects {
						if err := builder.Add(asdu.Object{Address: asdu.InformationObjectAddress(i + 1)}); err != nil {
							b.Fatal(err)
						}
					}
					frame = AppendI(frame[:0], 1, 2, builder.ASDU())
				}
				b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
			})
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	frame, _ := benchFrame(b, asdu.M_SP_TB_1, 1)
	b.ReportAllocs()
	for b.Loop() {
		if Explain(asdu.DefaultProfile, frame) == "" {
			b.Fatal("no words")
		}
	}
}

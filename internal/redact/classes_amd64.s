#include "textflag.h"

// func classesAVX2(p *byte, n int, out *classes) (seen uint8)
//
// A byte belongs to the classes lows[its low half] & highs[its high half], one bit each; classes_amd64.go has the tables.
// VPSHUFB looks up 32 bytes at a time, and gives 0 for a byte above 0x7f.
TEXT ·classesAVX2(SB), NOSPLIT, $0-25
	MOVQ           p+0(FP), SI
	MOVQ           n+8(FP), CX
	MOVQ           out+16(FP), DI
	VBROADCASTI128 ·lowHalves(SB), Y0
	VBROADCASTI128 ·highHalves(SB), Y1
	MOVL           $0x0f0f0f0f, AX
	VMOVD          AX, X2
	VPBROADCASTD   X2, Y2
	MOVL           $0x1f1f1f1f, AX
	VMOVD          AX, X3
	VPBROADCASTD   X3, Y3              // the classes of inCard
	VPXOR          Y4, Y4, Y4
	VPXOR          Y9, Y9, Y9          // all classes seen

next:
	VMOVDQU   (SI), Y5
	VMOVDQU   32(SI), Y6
	VPSRLW    $4, Y5, Y7
	VPSRLW    $4, Y6, Y8
	VPAND     Y2, Y7, Y7
	VPAND     Y2, Y8, Y8
	VPSHUFB   Y7, Y1, Y7
	VPSHUFB   Y8, Y1, Y8
	VPSHUFB   Y5, Y0, Y5
	VPSHUFB   Y6, Y0, Y6
	VPAND     Y5, Y7, Y7
	VPAND     Y6, Y8, Y8
	VPOR      Y7, Y9, Y9
	VPOR      Y8, Y9, Y9
	VPMOVMSKB Y7, AX                   // the highest bit is the class of separators
	VPMOVMSKB Y8, BX
	SHLQ      $32, BX
	ORQ       BX, AX
	MOVQ      AX, (DI)
	VPAND     Y3, Y7, Y7
	VPAND     Y3, Y8, Y8
	VPCMPEQB  Y4, Y7, Y7
	VPCMPEQB  Y4, Y8, Y8
	VPMOVMSKB Y7, AX
	VPMOVMSKB Y8, BX
	SHLQ      $32, BX
	ORQ       BX, AX
	NOTQ      AX
	MOVQ      AX, 8(DI)
	ADDQ      $64, SI
	ADDQ      $16, DI
	DECQ      CX
	JNZ       next

	VEXTRACTI128 $1, Y9, X5
	VPOR         X5, X9, X9
	VPSRLDQ      $8, X9, X5
	VPOR         X5, X9, X9
	VMOVQ        X9, AX
	MOVQ         AX, BX
	SHRQ         $32, BX
	ORQ          BX, AX
	MOVQ         AX, BX
	SHRQ         $16, BX
	ORQ          BX, AX
	MOVQ         AX, BX
	SHRQ         $8, BX
	ORQ          BX, AX
	MOVB         AX, seen+24(FP)
	VZEROUPPER
	RET

// func cpuHasAVX2() bool
//
// Intel's manual, volume 1, section 14.7.1: the instructions are there and the system keeps the registers.
TEXT ·cpuHasAVX2(SB), NOSPLIT, $0-1
	MOVB   $0, ret+0(FP)
	XORL   AX, AX
	CPUID
	CMPL   AX, $7
	JLT    no
	MOVL   $1, AX
	XORL   CX, CX
	CPUID
	ANDL   $0x18000000, CX             // OSXSAVE and AVX
	CMPL   CX, $0x18000000
	JNE    no
	XORL   CX, CX
	XGETBV
	ANDL   $6, AX                      // XMM and YMM
	CMPL   AX, $6
	JNE    no
	MOVL   $7, AX
	XORL   CX, CX
	CPUID
	ANDL   $0x20, BX                   // AVX2
	JEQ    no
	MOVB   $1, ret+0(FP)

no:
	RET

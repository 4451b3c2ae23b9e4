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

// func pairAVX2(p, q *byte, n int, a, b byte) int
//
// The last step looks at the last 32 places, some of which were looked at before and are known to be none.
TEXT ·pairAVX2(SB), NOSPLIT, $0-40
	MOVQ         p+0(FP), SI
	MOVQ         q+8(FP), DI
	MOVQ         n+16(FP), CX
	VPBROADCASTB a+24(FP), Y0
	VPBROADCASTB b+25(FP), Y1
	SUBQ         $32, CX                // the last step
	XORL         BX, BX

step:
	VPCMPEQB  (SI)(BX*1), Y0, Y2
	VPCMPEQB  (DI)(BX*1), Y1, Y3
	VPAND     Y2, Y3, Y2
	VPMOVMSKB Y2, AX
	TESTL     AX, AX
	JNZ       found
	CMPQ      BX, CX
	JEQ       none
	ADDQ      $32, BX
	CMPQ      BX, CX
	CMOVQGT   CX, BX
	JMP       step

found:
	BSFL AX, AX
	ADDQ BX, AX
	MOVQ AX, ret+32(FP)
	VZEROUPPER
	RET

none:
	MOVQ $-1, ret+32(FP)
	VZEROUPPER
	RET

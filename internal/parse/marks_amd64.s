#include "textflag.h"

// func marksAVX2(b *byte, marks *uint64, n int)
//
// Compared as signed bytes, both control characters and bytes >= 0x80 are less than a space.
TEXT ·marksAVX2(SB), NOSPLIT, $0-24
	MOVQ         b+0(FP), SI
	MOVQ         marks+8(FP), DI
	MOVQ         n+16(FP), CX
	MOVL         $0x22222222, AX        // quotes
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0
	MOVL         $0x5c5c5c5c, AX        // backslashes
	VMOVD        AX, X1
	VPBROADCASTD X1, Y1
	MOVL         $0x20202020, AX        // spaces
	VMOVD        AX, X2
	VPBROADCASTD X2, Y2

next:
	VMOVDQU   (SI), Y3
	VMOVDQU   32(SI), Y4
	VPCMPEQB  Y3, Y0, Y5
	VPCMPEQB  Y4, Y0, Y6
	VPCMPEQB  Y3, Y1, Y7
	VPCMPEQB  Y4, Y1, Y8
	VPOR      Y5, Y7, Y5
	VPOR      Y6, Y8, Y6
	VPCMPGTB  Y3, Y2, Y7                // space > byte
	VPCMPGTB  Y4, Y2, Y8
	VPOR      Y5, Y7, Y5
	VPOR      Y6, Y8, Y6
	VPMOVMSKB Y5, AX
	VPMOVMSKB Y6, BX
	SHLQ      $32, BX
	ORQ       BX, AX
	MOVQ      AX, (DI)
	ADDQ      $64, SI
	ADDQ      $8, DI
	DECQ      CX
	JNZ       next

	VZEROUPPER
	RET

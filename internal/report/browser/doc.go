// Package browser holds the page against a real Chromium: that it loads nothing and reports no error, that the policy
// holds, how long 3,000 blocks take, and how it reads by keyboard, on a narrow screen, in the dark, without its script and
// to an accessibility checker (axe-core, when `npm ci` has fetched it). `make page` runs it; without a Chromium in the PATH
// the tests are skipped, and say so. PAGE_SHOTS=DIR keeps pictures.
package browser

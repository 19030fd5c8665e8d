// Package words puts what has happened into words, in English and in Chinese, once for the tool and the page. An event and an
// entry of the audit are told alike wherever they are shown.
package words

-- SPDX-License-Identifier: GPL-2.0
--
-- AES-GCM (NIST SP 800-38D) and ChaCha20-Poly1305 (RFC 8439), to decrypt VPE:
-- IVs of 12 bytes, ICVs of 16, no associated data. The Lua of Wireshark 4.0 to 4.4
-- has no ciphers.
--
--	local open = require("vpe_aead")["aes-gcm"](key)
--	local plaintext = open(iv, ciphertext, icv)	-- nil if the ICV is wrong
--
-- All are strings of bytes. Needs bit32 (Lua 5.2) or the bit library of LuaJIT
-- and Wireshark. The results of that one are signed: below they are given to bit
-- operations only, or made positive first.
--
-- For captures on a desk: neither constant in time nor quick.

local bit = bit32 or bit
local band, bor, bxor = bit.band, bit.bor, bit.bxor
local lshift, rshift = bit.lshift, bit.rshift
local rol = bit.lrotate or bit.rol
local byte, char = string.byte, string.char
local floor = math.floor

-- Words from and to bytes; n is where the first of the four bytes is.

local function be32(s, n)
	local a, b, c, d = byte(s, n, n + 3)
	return ((a * 256 + b) * 256 + c) * 256 + d
end

local function le32(s, n)
	local a, b, c, d = byte(s, n, n + 3)
	return ((d * 256 + c) * 256 + b) * 256 + a
end

local function to_be32(x)
	return char(band(rshift(x, 24), 255), band(rshift(x, 16), 255),
		    band(rshift(x, 8), 255), band(x, 255))
end

local function to_le32(x)
	return to_be32(x):reverse()
end

-- xor_stream(text, size, block): text XOR the blocks of size bytes, a multiple of
-- 4, that block(0), block(1), ... return as words in big endian order
local function xor_stream(text, size, block)
	local out, rest = {}, #text % 4

	text = text .. ("\0"):rep((4 - rest) % 4)
	for at = 1, #text, size do
		local words = block((at - 1) / size)

		for i = 0, math.min(size, #text - at + 1) / 4 - 1 do
			out[#out + 1] = to_be32(bxor(be32(text, at + 4 * i), words[i + 1]))
		end
	end
	text = table.concat(out)
	return rest == 0 and text or text:sub(1, rest - 5)
end

local function padded(s)
	return s .. ("\0"):rep(-#s % 16)
end

-- AES -------------------------------------------------------------------------

-- sbox[x]: SubBytes; table0[x] and its rotations 1 to 3: SubBytes and MixColumns
local sbox, table0, table1, table2, table3 = {}, {}, {}, {}, {}

local function xtime(x)		-- x * 2 in GF(2^8)
	x = x * 2
	return x > 255 and bxor(x, 0x11b) or x
end

local p, q = 1, 1		-- all p but 0, and q = 1 / p
repeat
	p = bxor(p, xtime(p))	-- * 3
	q = bxor(q, lshift(q, 1))	-- / 3
	q = bxor(q, lshift(q, 2))
	q = band(bxor(q, lshift(q, 4)), 255)
	if q >= 128 then
		q = bxor(q, 9)
	end
	local x = q * 257	-- twice the byte: shifts right rotate it left
	sbox[p] = band(bxor(q, rshift(x, 7), rshift(x, 6), rshift(x, 5), rshift(x, 4), 0x63), 255)
until p == 1
sbox[0] = 0x63

for x = 0, 255 do
	local s = sbox[x]
	local s2 = xtime(s)

	table0[x] = ((s2 * 256 + s) * 256 + s) * 256 + bxor(s2, s)
	table1[x] = rol(table0[x], 24)
	table2[x] = rol(table0[x], 16)
	table3[x] = rol(table0[x], 8)
end

local function sub_word(x)
	return bor(lshift(sbox[band(rshift(x, 24), 255)], 24),
		   lshift(sbox[band(rshift(x, 16), 255)], 16),
		   lshift(sbox[band(rshift(x, 8), 255)], 8), sbox[band(x, 255)])
end

-- FIPS 197, figure 11
local function aes_expand(key)
	local words, n, rcon = {}, #key / 4, 1

	for i = 0, n - 1 do
		words[i] = be32(key, 4 * i + 1)
	end
	for i = n, 4 * (n + 7) - 1 do
		local x = words[i - 1]

		if i % n == 0 then
			x = bxor(sub_word(rol(x, 8)), lshift(rcon, 24))
			rcon = xtime(rcon)
		elseif n > 6 and i % n == 4 then
			x = sub_word(x)
		end
		words[i] = bxor(words[i - n], x)
	end
	return words, n + 6	-- rounds
end

local function aes_encrypt(words, rounds, a, b, c, d)
	a, b, c, d = bxor(a, words[0]), bxor(b, words[1]), bxor(c, words[2]), bxor(d, words[3])

	-- a column after ShiftRows, SubBytes and MixColumns
	local function column(k, w, x, y, z)
		return bxor(table0[band(rshift(w, 24), 255)], table1[band(rshift(x, 16), 255)],
			    table2[band(rshift(y, 8), 255)], table3[band(z, 255)], k)
	end

	for i = 4, 4 * rounds - 4, 4 do
		a, b, c, d = column(words[i], a, b, c, d), column(words[i + 1], b, c, d, a),
			     column(words[i + 2], c, d, a, b), column(words[i + 3], d, a, b, c)
	end

	local function last(k, w, x, y, z)
		return bxor(k, lshift(sbox[band(rshift(w, 24), 255)], 24),
			    lshift(sbox[band(rshift(x, 16), 255)], 16),
			    lshift(sbox[band(rshift(y, 8), 255)], 8), sbox[band(z, 255)])
	end

	local i = 4 * rounds
	return last(words[i], a, b, c, d), last(words[i + 1], b, c, d, a),
	       last(words[i + 2], c, d, a, b), last(words[i + 3], d, a, b, c)
end

-- GCM -------------------------------------------------------------------------

-- x * 2^-8 in GF(2^128) is a shift, and this for the byte that is shifted out.
-- GCM's bits are reflected: its "right" is multiplication.
local reduce = {}
for x = 0, 255 do
	local r = x
	for _ = 1, 8 do
		r = r % 2 == 1 and bxor(rshift(r, 1), 0xe1 * 2 ^ 24) or rshift(r, 1)
		r = r % 2 ^ 32
	end
	reduce[x] = r
end

-- multiples[4 * x + 1 ...]: the four words of byte x, as the first of a block, * H
local function ghash_table(a, b, c, d)
	local m = {}

	for i = 1, 4 do
		m[i] = 0
	end
	local x = 128
	while x >= 1 do
		m[4 * x + 1], m[4 * x + 2], m[4 * x + 3], m[4 * x + 4] = a, b, c, d
		local carry = band(d, 1) == 1 and 0xe1 * 2 ^ 24 or 0
		a, b, c, d = bxor(rshift(a, 1), carry), bor(rshift(b, 1), lshift(a, 31)),
			     bor(rshift(c, 1), lshift(b, 31)), bor(rshift(d, 1), lshift(c, 31))
		x = x / 2
	end
	for high = 1, 7 do
		for low = 1, 2 ^ high - 1 do
			local a, b = 4 * 2 ^ high, 4 * low

			for i = 1, 4 do
				m[a + b + i] = bxor(m[a + i], m[b + i])
			end
		end
	end
	return m
end

-- Horner's rule, byte by byte from the block's end
local function ghash(m, data)
	local a, b, c, d = 0, 0, 0, 0

	for at = 1, #data, 16 do
		local block = {
			bxor(a, be32(data, at)), bxor(b, be32(data, at + 4)),
			bxor(c, be32(data, at + 8)), bxor(d, be32(data, at + 12)),
		}
		a, b, c, d = 0, 0, 0, 0
		for word = 4, 1, -1 do
			local bytes = block[word]

			for shift = 0, 24, 8 do
				local x = 4 * band(rshift(bytes, shift), 255)
				local out = reduce[band(d, 255)]

				d = bxor(bor(rshift(d, 8), lshift(c, 24)), m[x + 4])
				c = bxor(bor(rshift(c, 8), lshift(b, 24)), m[x + 3])
				b = bxor(bor(rshift(b, 8), lshift(a, 24)), m[x + 2])
				a = bxor(rshift(a, 8), out, m[x + 1])
			end
		end
	end
	return a, b, c, d
end

local function aes_gcm(key)
	local words, rounds = aes_expand(key)
	local multiples = ghash_table(aes_encrypt(words, rounds, 0, 0, 0, 0))

	return function(iv, ciphertext, icv)
		local x, y, z = be32(iv, 1), be32(iv, 5), be32(iv, 9)
		local lengths = ("\0"):rep(12) .. to_be32(8 * #ciphertext)	-- in bits
		local a, b, c, d = ghash(multiples, padded(ciphertext) .. lengths)
		local ka, kb, kc, kd = aes_encrypt(words, rounds, x, y, z, 1)

		if to_be32(bxor(a, ka)) .. to_be32(bxor(b, kb)) ..
		   to_be32(bxor(c, kc)) .. to_be32(bxor(d, kd)) ~= icv then
			return nil
		end
		return xor_stream(ciphertext, 16, function(n)
			return { aes_encrypt(words, rounds, x, y, z, n + 2) }
		end)
	end
end

-- ChaCha20 --------------------------------------------------------------------

local function quarter_round(s, a, b, c, d)
	local w, x, y, z = s[a], s[b], s[c], s[d]

	w = (w + x) % 2 ^ 32; z = rol(bxor(z, w), 16) % 2 ^ 32
	y = (y + z) % 2 ^ 32; x = rol(bxor(x, y), 12) % 2 ^ 32
	w = (w + x) % 2 ^ 32; z = rol(bxor(z, w), 8) % 2 ^ 32
	y = (y + z) % 2 ^ 32; x = rol(bxor(x, y), 7) % 2 ^ 32
	s[a], s[b], s[c], s[d] = w, x, y, z
end

-- Sixteen words, swapped to big endian
local function chacha20_block(key, counter, iv)
	local start = {
		0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,		-- "expand 32-byte k"
		[13] = counter, [14] = le32(iv, 1), [15] = le32(iv, 5), [16] = le32(iv, 9),
	}
	for i = 0, 7 do
		start[5 + i] = le32(key, 4 * i + 1)
	end

	local s = {}
	for i = 1, 16 do
		s[i] = start[i]
	end
	for _ = 1, 10 do
		quarter_round(s, 1, 5, 9, 13)
		quarter_round(s, 2, 6, 10, 14)
		quarter_round(s, 3, 7, 11, 15)
		quarter_round(s, 4, 8, 12, 16)
		quarter_round(s, 1, 6, 11, 16)
		quarter_round(s, 2, 7, 12, 13)
		quarter_round(s, 3, 8, 9, 14)
		quarter_round(s, 4, 5, 10, 15)
	end
	for i = 1, 16 do
		s[i] = be32(to_le32((s[i] + start[i]) % 2 ^ 32), 1)
	end
	return s
end

-- Poly1305 --------------------------------------------------------------------

-- Numbers are 17 digits to the base 256, the lowest first: products and their sums
-- stay far below 2^53.

-- Carries; what is above 2^130 comes back times 5.
local function carry(h)
	local c = 0

	for i = 1, 16 do
		c = c + h[i]
		h[i] = c % 256
		c = floor(c / 256)
	end
	c = c + h[17]
	h[17] = c % 4
	c = 5 * floor(c / 4)
	for i = 1, 17 do
		c = c + h[i]
		h[i] = c % 256
		c = floor(c / 256)
	end
end

-- message is of blocks of 16 bytes, as RFC 8439 pads it for the AEAD
local function poly1305(key, message)
	local r, h = { byte(key, 1, 16) }, {}

	r[17] = 0
	for i = 4, 16, 4 do
		r[i] = r[i] % 16
		r[i + 1] = r[i + 1] - r[i + 1] % 4
	end
	for i = 1, 17 do
		h[i] = 0
	end
	for at = 1, #message, 16 do
		local product = {}

		for i = 1, 16 do
			h[i] = h[i] + byte(message, at + i - 1)
		end
		h[17] = h[17] + 1
		for i = 1, 17 do
			local low, high = 0, 0

			for j = 1, i do
				low = low + h[j] * r[i - j + 1]
			end
			for j = i + 1, 17 do
				high = high + h[j] * r[i - j + 18]
			end
			product[i] = low + 320 * high	-- 2^136 is 5 * 2^6
		end
		h = product
		carry(h)
	end
	carry(h)	-- now below 2^130

	-- h - (2^130 - 5), if that is not negative
	local less, c = {}, 5
	for i = 1, 17 do
		c = c + h[i]
		less[i] = c % 256
		c = floor(c / 256)
	end
	if less[17] >= 4 then
		h = less
	end

	local out
	out, c = {}, 0
	for i = 1, 16 do
		c = c + h[i] + byte(key, 16 + i)
		out[i] = char(c % 256)
		c = floor(c / 256)
	end
	return table.concat(out)
end

local function chacha20_poly1305(key)
	return function(iv, ciphertext, icv)
		local one_time = {}
		local lengths = ("\0"):rep(8) .. to_le32(#ciphertext) .. ("\0"):rep(4)

		for i, word in ipairs(chacha20_block(key, 0, iv)) do
			one_time[i] = to_be32(word)
		end
		if poly1305(table.concat(one_time), padded(ciphertext) .. lengths) ~= icv then
			return nil
		end
		return xor_stream(ciphertext, 64, function(block)
			return chacha20_block(key, block + 1, iv)
		end)
	end
end

return {
	["aes-gcm"] = aes_gcm,
	["chacha20-poly1305"] = chacha20_poly1305,
	poly1305 = poly1305,	-- for tests
}

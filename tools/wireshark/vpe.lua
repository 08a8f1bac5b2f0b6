-- SPDX-License-Identifier: GPL-2.0
--
-- VPE for Wireshark and tshark, 4.0 to 4.4: see Documentation/wireshark.rst, and
-- Documentation/protocol.rst for what is on the wire.
--
-- VPE shares IP protocol 50, and in UDP port 4500, with ESP. Nothing in a packet
-- tells them apart; its SPI does, for those who know the SAs: from the key table
-- and the preferences. All else goes on to Wireshark's own dissectors, untouched.

local aead = require("vpe_aead")

local HEADER_LEN = 32
local UDP_PORT = 4500		-- of ESP and IKE, where IANA has them

local vpe = Proto("vpe", "Vector Packet Encapsulation")
local vpe_udp = Proto("vpe_udp", "VPE in UDP")

vpe.prefs.sa_file = Pref.string("Key table", "vpe_sas",
	"File of SAs; a relative name is below the personal configuration directory")
vpe.prefs.spis = Pref.range("Other SPIs", "",
	"SPIs that are VPE without an entry in the key table", 0xffffffff)
vpe.prefs.layout = Pref.enum("Layout of other SPIs", 0, "Layout of packets with such an SPI",
	{ { 0, "spi-first", 0 }, { 1, "ares", 1 } })
vpe.prefs.udp_ports = Pref.range("UDP ports", tostring(UDP_PORT),
	"UDP ports that carry VPE; ESP, IKE and keepalives may be there, too", 65535)
vpe.prefs.decrypt = Pref.bool("Decrypt", true,
	"Check ICVs and decrypt, where the key table has the key")
vpe.prefs.windows = Pref.bool("Windows (tshark)", false,
	"tshark: statistics by window when the capture has been read")

local f = {
	layout = ProtoField.string("vpe.layout", "Layout"),
	mode = ProtoField.string("vpe.mode", "Mode"),
	spi = ProtoField.uint32("vpe.spi", "SPI", base.HEX),
	sender_id = ProtoField.uint16("vpe.sender_id", "Sender ID", base.DEC),
	window_id = ProtoField.uint16("vpe.window_id", "Window ID", base.DEC),
	seq = ProtoField.uint64("vpe.seq", "Sequence number", base.DEC),
	iv = ProtoField.bytes("vpe.iv", "IV"),
	icv = ProtoField.bytes("vpe.icv", "ICV"),
	auth_ok = ProtoField.bool("vpe.auth_ok", "ICV is right"),
	encrypted = ProtoField.bytes("vpe.encrypted", "Ciphertext"),
	next_header = ProtoField.uint8("vpe.next_header", "Next Header", base.DEC),
	fill = ProtoField.bool("vpe.fill", "Fill packet"),
	padding = ProtoField.bytes("vpe.padding", "Padding"),
	padding_len = ProtoField.uint32("vpe.padding_len", "Padding length", base.DEC),
	first_frame = ProtoField.framenum("vpe.first_frame", "Number first seen in"),
}
vpe.fields = f

local e = {
	short = ProtoExpert.new("vpe.short", "Header is cut short",
		expert.group.MALFORMED, expert.severity.ERROR),
	icv = ProtoExpert.new("vpe.icv_wrong", "ICV is wrong, or not by this key",
		expert.group.CHECKSUM, expert.severity.ERROR),
	replay = ProtoExpert.new("vpe.replay", "Packet was seen before",
		expert.group.SEQUENCE, expert.severity.WARN),
	reuse = ProtoExpert.new("vpe.reuse", "Another packet had this number: an IV used twice",
		expert.group.SECURITY, expert.severity.ERROR),
	sender = ProtoExpert.new("vpe.sender_reserved", "Sender ID is reserved",
		expert.group.PROTOCOL, expert.severity.WARN),
	inner = ProtoExpert.new("vpe.inner_unknown", "Neither an IP packet nor a fill packet",
		expert.group.PROTOCOL, expert.severity.WARN),
}
vpe.experts = e

-- Wireshark's own dissectors; that of UDP port 4500 has no name in 4.0
local ip_protocols = DissectorTable.get("ip.proto")
local udp_ports = DissectorTable.get("udp.port")
local esp = Dissector.get("esp")
local udpencap = udp_ports:get_dissector(UDP_PORT)
local ip = { [4] = Dissector.get("ip"), [6] = Dissector.get("ipv6") }
local data = Dissector.get("data")

-- Where a dissector fails, Wireshark has shown that in the packet already; the Lua
-- error would blame this script as well.
local function hand_to(dissector, tvb, pinfo, root)
	pcall(dissector.call, dissector, tvb, pinfo, root)
end

-- The key table ---------------------------------------------------------------

-- sas[layout][SPI]: list of SAs, those with a destination first
local sas = { ["spi-first"] = {}, ares = {} }

local ANY = "*"
-- Bytes of a key; "-" and "null" are for an algorithm that is not known.
local KEY_SIZES = {
	["aes-gcm"] = { 16, 24, 32 },
	["chacha20-poly1305"] = { 32 },
	["-"] = {}, null = {},
}

-- An Address, or nil. Address.ip() and Address.ipv6() would ask DNS for a name,
-- and take what they do not understand for 0.
local function to_address(text)
	local octets = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }

	for _, octet in ipairs(octets) do
		if tonumber(octet) > 255 then
			return nil
		end
	end
	if #octets == 4 then
		return Address.ip(text)
	end
	if text:match("^[%x:.]*:[%x:.]*$") then
		local address = Address.ipv6(text)

		if address ~= Address.ipv6("::") or text == "::" then
			return address
		end
	end
	return nil
end

local function to_key(hex)
	hex = hex:gsub("^0[xX]", "")
	if #hex % 2 ~= 0 or hex:match("%X") then
		return nil
	end
	return (hex:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end))
end

-- An SA, or nil and what is wrong with it
local function parse_sa(words)
	local dst, spi, layout, algorithm, key, mode = table.unpack(words)
	local sa = { layout = layout, mode = mode or "tunnel", spi = tonumber(spi) }

	if #words < 5 or #words > 6 then
		return nil, "not DESTINATION SPI LAYOUT ALGORITHM KEY [MODE]"
	end
	if dst ~= ANY then
		sa.dst = to_address(dst)
		if not sa.dst then
			return nil, ("destination '%s' is neither an address nor *"):format(dst)
		end
	end
	if not sa.spi or sa.spi < 1 or sa.spi > 0xffffffff or sa.spi % 1 ~= 0 then
		return nil, ("SPI '%s' is not a number from 1 to 0xffffffff"):format(spi)
	end
	if not sas[layout] then
		return nil, ("layout '%s' is neither spi-first nor ares"):format(layout)
	end
	local sizes = KEY_SIZES[algorithm]
	if not sizes then
		return nil, ("algorithm '%s' is not aes-gcm, chacha20-poly1305 or -"):format(
			algorithm)
	end
	if sa.mode ~= "tunnel" and sa.mode ~= "transport" then
		return nil, ("mode '%s' is neither tunnel nor transport"):format(mode)
	end
	if key == "-" then
		return sa
	end
	sa.key, sa.algorithm = to_key(key), algorithm
	if not sa.key then
		return nil, "key is not - or hex digits, two for each byte"
	end
	for _, size in ipairs(sizes) do
		if #sa.key == size then
			return sa
		end
	end
	if #sizes == 0 then
		return nil, "a key without an algorithm"
	end
	return nil, ("key has %d bytes, one of %s has %s, and no salt"):format(#sa.key, algorithm,
		table.concat(sizes, " or "))
end

-- Adds to sas, or returns why not.
local function add_sa(sa, line)
	local list = sas[sa.layout][sa.spi] or {}

	for _, other in ipairs(list) do
		if sa.dst == other.dst then
			return ("the SA of line %d again"):format(other.line)
		end
	end
	sa.line = line
	sas[sa.layout][sa.spi] = list
	table.insert(list, sa.dst and 1 or #list + 1, sa)
	return nil
end

local function parse_table(text, name)
	local complaints, line = {}, 0

	sas = { ["spi-first"] = {}, ares = {} }
	for content in (text .. "\n"):gmatch("(.-)\r?\n") do
		local words, sa, why = {}, nil, nil

		line = line + 1
		for word in content:gsub("#.*", ""):gmatch("%S+") do
			words[#words + 1] = word
		end
		if #words > 0 then
			sa, why = parse_sa(words)
			why = why or add_sa(sa, line)
		end
		if why then
			complaints[#complaints + 1] = ("%s:%d: %s"):format(name, line, why)
		end
	end
	if #complaints > 0 then
		report_failure("VPE: lines of the key table were left out:\n" ..
			       table.concat(complaints, "\n"))
	end
end

-- Read again when it or its name has changed, and complained of once
local known_name, known_text

local function read_table()
	local name, default = vpe.prefs.sa_file, "vpe_sas"
	if name == "" then
		name = default
	end
	local path = name
	if not name:match("^[/\\]") and not name:match("^%a:") then
		path = Dir.personal_config_path(name)
	end
	local file, why = io.open(path, "r")
	local text = file and file:read("*a") or ""
	if file then
		file:close()
	end
	if path == known_name and text == known_text then
		return
	end
	known_name, known_text = path, text
	parse_table(text, path)
	if not file and name ~= default then
		report_failure("VPE: no key table: " .. why)
	end
end

-- Which SA --------------------------------------------------------------------

local function in_ranges(spi, ranges)
	for low, high in ranges:gmatch("(%d+)%-?(%d*)") do
		if spi >= tonumber(low) and spi <= (tonumber(high) or tonumber(low)) then
			return true
		end
	end
	return false
end

-- The SPI of a packet in that layout, or nil
local function spi_of(tvb, layout)
	if layout == "ares" then
		return tvb:len() >= 16 and tvb(12, 4):le_uint() or nil
	end
	return tvb:len() >= 4 and tvb(0, 4):uint() or nil
end

-- As a receiver does: spi-first before ares, and what is known before what is
-- only said to be VPE.
local function find_sa(tvb, pinfo)
	for _, layout in ipairs({ "spi-first", "ares" }) do
		for _, sa in ipairs(sas[layout][spi_of(tvb, layout)] or {}) do
			if not sa.dst or sa.dst == pinfo.net_dst then
				return sa
			end
		end
	end
	local layout = vpe.prefs.layout == 1 and "ares" or "spi-first"
	local spi = spi_of(tvb, layout)
	if spi and in_ranges(spi, vpe.prefs.spis) then
		return { layout = layout, spi = spi, dst = pinfo.net_dst }
	end
	return nil
end

-- What was seen ---------------------------------------------------------------

-- Packets of each frame: dissected again they must get the same answers, and
-- decrypting takes milliseconds.
local frames = {}
-- The first packet that had an SA's number
local numbers = {}

local MULTICAST4, LAST_MULTICAST4 = Address.ip("224.0.0.0"), Address.ip("239.255.255.255")
local MULTICAST6 = Address.ipv6("ff00::")

local function is_multicast(address)
	return address >= MULTICAST4 and address <= LAST_MULTICAST4 or address >= MULTICAST6
end

local function sender_is_reserved(sa, sender, dst)
	if sa.mode == "transport" then
		return sender > 255	-- the low byte is the Next Header
	end
	-- a number for each member of a group, 0 elsewhere
	return is_multicast(dst) ~= (sender > 0)
end

-- The packet's record, made when it is first dissected
local function recall(tvb, pinfo, sa, udp)
	local frame = frames[pinfo.number] or {}
	local header = tvb:raw(0, HEADER_LEN)

	frames[pinfo.number] = frame
	for _, packet in ipairs(frame) do
		if packet.header == header then
			return packet
		end
	end

	local at = sa.layout == "ares" and 0 or 4
	local packet = {
		header = header,
		spi = sa.spi,
		sender = tvb(at, 2):le_uint(),
		window = tvb(at + 2, 2):le_uint(),
		seq = tvb(at + 4, 8):le_uint64(),
		dst = tostring(pinfo.net_dst),
		size = tvb:reported_len(),
		port = udp and pinfo.src_port,
		frame = pinfo.number,
	}
	frame[#frame + 1] = packet

	if sa.key and vpe.prefs.decrypt and tvb:len() == tvb:reported_len() and
	   not pinfo.fragmented then
		sa.open = sa.open or aead[sa.algorithm](sa.key)
		packet.plaintext = sa.open(tvb:raw(at, 12), tvb:raw(HEADER_LEN), tvb:raw(16, 16))
		packet.auth_ok = packet.plaintext ~= nil
	end

	-- A forged packet does not use up its number.
	if packet.auth_ok ~= false then
		local number = (sa.line or packet.dst) .. sa.layout .. header:sub(1, 16)

		packet.first = numbers[number]
		numbers[number] = packet.first or packet
	end
	return packet
end

-- Dissection ------------------------------------------------------------------

local function dissect_tunnel(tvb, pinfo, tree, root)
	local version = tvb(0, 1):bitfield(0, 4)
	local size

	if version == 4 and tvb:len() >= 20 then
		size = tvb(2, 2):uint()
	elseif version == 6 and tvb:len() >= 40 then
		size = 40 + tvb(4, 2):uint()
	elseif version == 0 then
		tree:add(f.fill, tvb(), true)
		pinfo.cols.info:append(" (fill packet)")
		return
	else
		tree:add_proto_expert_info(e.inner)
		hand_to(data, tvb, pinfo, root)
		return
	end
	size = math.min(size, tvb:len())
	if size < tvb:len() then
		tree:add(f.padding, tvb(size))
	end
	tree:add(f.padding_len, tvb:len() - size):set_generated()
	hand_to(ip[version], tvb(0, size):tvb(), pinfo, root)
end

local function dissect_inner(packet, sa, pinfo, tree, root)
	local next_header = packet.sender % 256

	if packet.plaintext == "" then
		if sa.mode ~= "transport" then
			tree:add_proto_expert_info(e.inner)
		end
		return
	end
	local tvb = ByteArray.new(packet.plaintext, true):tvb("Decrypted VPE")
	if sa.mode ~= "transport" then
		dissect_tunnel(tvb, pinfo, tree, root)
	elseif next_header == 59 then
		tree:add(f.fill, tvb(), true)
		pinfo.cols.info:append(" (fill packet)")
	else
		hand_to(ip_protocols:get_dissector(next_header) or data, tvb, pinfo, root)
	end
end

-- Adds what the header says.
local function add_header(tvb, pinfo, tree, sa, packet)
	local at = sa.layout == "ares" and 0 or 4
	local sender

	tree:add(f.layout, sa.layout):set_generated()
	if sa.mode then
		tree:add(f.mode, sa.mode):set_generated()
	end
	if at == 4 then
		tree:add(f.spi, tvb(0, 4))
	end
	sender = tree:add_le(f.sender_id, tvb(at, 2))
	if sa.mode and sender_is_reserved(sa, packet.sender, pinfo.net_dst) then
		sender:add_proto_expert_info(e.sender)
	end
	if sa.mode == "transport" then
		sender:add(f.next_header, tvb(at, 1))
	end
	tree:add_le(f.window_id, tvb(at + 2, 2))
	tree:add_le(f.seq, tvb(at + 4, 8))
	if at == 0 then
		tree:add_le(f.spi, tvb(12, 4))
	end
	tree:add(f.iv, tvb(at, 12)):set_hidden()
	tree:add(f.icv, tvb(16, 16))
end

-- Adds what comparing with other packets and decrypting has shown.
local function add_findings(tree, packet)
	local first = packet.first

	if packet.auth_ok ~= nil then
		local item = tree:add(f.auth_ok, packet.auth_ok)

		item:set_generated()
		if not packet.auth_ok then
			item:add_proto_expert_info(e.icv)
		end
	end
	if first then
		local same = first.header == packet.header

		tree:add(f.first_frame, first.frame):set_generated()
			:add_proto_expert_info(same and e.replay or e.reuse)
	end
end

local function dissect(tvb, pinfo, root, sa, udp)
	local tree = root:add(vpe, tvb())
	local summary = ("SPI: 0x%08x"):format(sa.spi)

	pinfo.cols.protocol = "VPE"
	pinfo.cols.info = summary
	if tvb:len() < HEADER_LEN then
		-- an ICMP error quotes as little as 8 bytes
		tree:add(f.spi, sa.spi):set_generated()
		if not pinfo.in_error_pkt then
			tree:add_proto_expert_info(e.short)
		end
		return
	end

	local packet
	if pinfo.in_error_pkt then
		packet = { sender = tvb(sa.layout == "ares" and 0 or 4, 2):le_uint() }
	else
		packet = recall(tvb, pinfo, sa, udp)
		summary = ("%s, Window: %d, Sequence: %s"):format(summary, packet.window,
			tostring(packet.seq))
		pinfo.cols.info = summary
	end
	tree:append_text(", " .. summary)
	add_header(tvb, pinfo, tree, sa, packet)
	add_findings(tree, packet)
	if tvb:len() > HEADER_LEN then
		tree:add(f.encrypted, tvb(HEADER_LEN))
	end
	if packet.plaintext then
		dissect_inner(packet, sa, pinfo, tree, root)
	end
end

function vpe.dissector(tvb, pinfo, root)
	local sa = find_sa(tvb, pinfo)

	if sa then
		dissect(tvb, pinfo, root, sa, false)
	else
		hand_to(esp, tvb, pinfo, root)
	end
	return tvb:len()
end

function vpe_udp.dissector(tvb, pinfo, root)
	local marker = tvb:len() < 4 or tvb(0, 4):uint() == 0
	local sa = not marker and find_sa(tvb, pinfo)

	if sa then
		dissect(tvb, pinfo, root, sa, true)
	else
		hand_to(udpencap, tvb, pinfo, root)
	end
	return tvb:len()
end

-- Statistics by window --------------------------------------------------------

-- Counts the packets of a frame into windows.
local function count(windows, packets)
	for _, packet in ipairs(packets or {}) do
		local name = ("%s, SPI 0x%08x"):format(packet.dst, packet.spi)
		local key = ("%s %05d %05d"):format(name, packet.sender, packet.window)
		local w = windows[key]

		if not w then
			w = { sa = name, sender = packet.sender, window = packet.window,
			      packets = 0, bytes = 0, again = 0, late = 0, distance = 0,
			      wrong = 0, ports = {} }
			windows[key] = w
		end
		w.packets = w.packets + 1
		w.bytes = w.bytes + packet.size
		if packet.port then
			w.ports[packet.port] = true
		end
		if packet.auth_ok == false then
			w.wrong = w.wrong + 1	-- says nothing of the window
		elseif packet.first then
			w.again = w.again + 1
		elseif w.highest and packet.seq < w.highest then
			w.late = w.late + 1
			w.distance = math.max(w.distance, (w.highest - packet.seq):tonumber())
			if packet.seq < w.lowest then
				w.lowest = packet.seq
			end
		else
			w.lowest, w.highest = w.lowest or packet.seq, packet.seq
		end
	end
end

local COLUMNS = "%6s %6s %9s %11s %20s %20s %7s %7s %10s %7s  %s"
local HEADING = COLUMNS:format("Sender", "Window", "Packets", "Bytes", "Lowest", "Highest",
	"Again", "Late", "by up to", "Bad ICV", "UDP source ports")

local function format_windows(windows)
	local keys, lines, sa = {}, { "VPE windows" }, nil

	for key in pairs(windows) do
		keys[#keys + 1] = key
	end
	table.sort(keys)
	for _, key in ipairs(keys) do
		local w, ports = windows[key], {}

		for port in pairs(w.ports) do
			ports[#ports + 1] = port
		end
		table.sort(ports)
		if w.sa ~= sa then
			sa = w.sa
			lines[#lines + 1] = "\nTo " .. sa
			lines[#lines + 1] = HEADING
		end
		lines[#lines + 1] = COLUMNS:format(w.sender, w.window, w.packets, w.bytes,
			tostring(w.lowest or "-"), tostring(w.highest or "-"), w.again, w.late,
			("%d"):format(w.distance), w.wrong, table.concat(ports, " "))
	end
	return ((table.concat(lines, "\n") .. "\n"):gsub(" +\n", "\n"))
end

-- A tap that counts, and hands its table to show() when there is something new
local function tap_windows(show)
	local listener, windows = Listener.new("frame"), {}

	function listener.packet(pinfo)
		count(windows, frames[pinfo.number])
	end
	function listener.draw()
		show(format_windows(windows))
	end
	function listener.reset()
		windows = {}
	end
	return listener
end

local function show_windows()
	local window = TextWindow.new("VPE windows")
	local listener = tap_windows(function(text) window:set(text) end)

	window:set_atclose(function() listener:remove() end)
	retap_packets()
end

if gui_enabled() then
	-- what is MENU_STAT_GENERIC appears in no menu
	register_menu("VPE Windows", show_windows, MENU_PACKET_STAT_UNSORTED)
end

-- Registration ----------------------------------------------------------------

local bound, printing = "", false

local function apply_preferences()
	if bound ~= vpe.prefs.udp_ports then
		if bound ~= "" then
			udp_ports:remove(bound, vpe_udp)
			udp_ports:add(UDP_PORT, udpencap)
		end
		bound = vpe.prefs.udp_ports
		if bound ~= "" then
			udp_ports:add(bound, vpe_udp)
		end
	end
	if vpe.prefs.windows and not printing and not gui_enabled() then
		printing = true
		tap_windows(io.write)
	end
end

-- For each capture file
function vpe.init()
	frames, numbers = {}, {}
	read_table()
end

ip_protocols:add(50, vpe)
udp_ports:add_for_decode_as(vpe_udp)
vpe.prefs_changed = apply_preferences
apply_preferences()

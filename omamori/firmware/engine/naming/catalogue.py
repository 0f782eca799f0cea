"""The table of applications: which of the five kinds each belongs to, its domains, and what nDPI calls it.

An application is named once, as people know it; calls, uploads and pictures of one service are that service. Domains are
those its operator uses for it alone or foremost. What is not in the table is no application of the five kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Kind(StrEnum):
    """The five kinds of the application guard; as categories they are also what a policy blocks."""

    FILE_SHARING = "file-sharing"
    MESSENGER = "messenger"
    SOCIAL_MEDIA = "social-media"
    VIDEO = "video"
    GAMES = "games"


_LISTS = {
    "filehosting": Kind.FILE_SHARING,
    "p2p": Kind.FILE_SHARING,
    "chat": Kind.MESSENGER,
    "social_networks": Kind.SOCIAL_MEDIA,
    "audio-video": Kind.VIDEO,
}


def category(name: str) -> str:
    """A category as lists and policies name it, in the words of the five kinds where it is one of them."""
    return _LISTS.get(name.casefold(), name.casefold())


@dataclass(frozen=True, slots=True)
class Application:
    """One row."""

    name: str
    kind: Kind
    domains: tuple[str, ...] = ()
    """Each with all below it."""
    dissected: tuple[str, ...] = ()
    """Names in the library of packet dissectors, of any of its versions, besides `name` itself."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The table, ready to be asked."""

    by_name: Mapping[str, Application]
    by_domain: Mapping[str, Application]
    by_dissected: Mapping[str, Application]

    def of_host(self, host: str) -> Application | None:
        """The application of the nearest listed domain at or above a normalised name."""
        domain = host
        while domain:
            found = self.by_domain.get(domain)
            if found is not None:
                return self.by_name[_within(host, domain) or found.name]
            domain = domain.partition(".")[2]
        return None


def _within(host: str, domain: str) -> str | None:
    """Meta's network of caches serves all its applications, named in the first label."""
    if domain != "fbcdn.net":
        return None
    return next((name for label, name in _FBCDN.items() if host.startswith(label)), None)


_FBCDN = {"instagram": "Instagram", "whatsapp": "WhatsApp", "media-wa": "WhatsApp"}


@cache
def catalogue() -> Catalogue:
    """Built when first asked for."""
    rows = tuple(_row(line, kind) for kind, table in _TABLES.items() for line in table.strip().splitlines())
    return Catalogue(
        {row.name: row for row in rows},
        {domain: row for row in rows for domain in row.domains},
        {name.casefold(): row for row in rows for name in (row.name, *row.dissected)},
    )


def _row(line: str, kind: Kind) -> Application:
    name, domains, dissected = (part.strip() for part in line.split("|"))
    return Application(name, kind, tuple(domains.split()), tuple(dissected.split()))


# A line each: name as people know it | its domains | nDPI's names

_FILE_SHARING = """
BitTorrent | utorrent.com bittorrent.com bittorrent.org thepiratebay.org 1337x.to rarbg.to nyaa.si opentrackr.org qbittorrent.org transmissionbt.com | BitTorrent
eDonkey | emule-project.net edonkey.com | eDonkey
Gnutella | limewire.com frostwire.com gnutella.com shareaza.com | Gnutella
Direct Connect | dchublist.org dcbase.org | DirectConnect
Soulseek | slsknet.org slsk.org soulseekqt.net | Soulseek
FastTrack | kazaa.com | FastTrack
OpenFT | | OpenFT
AppleJuice | | AppleJuice
StealthNet | | StealthNet
Thunder | xunlei.com sandai.net xlpan.kanimg.com | Thunder
Aimini | aimini.net | Aimini
Kontiki | kontiki.com | Kontiki
Syncthing | syncthing.net | Syncthing
Resilio Sync | resilio.com getsync.com | ResilioSync
Dropbox | dropbox.com dropboxstatic.com dropboxusercontent.com dropboxapi.com getdropbox.com db.tt dropbox-dns.com | Dropbox
Google Drive | drive.google.com drive.usercontent.google.com drivefrontend-pa.googleapis.com drive-thirdparty.googleusercontent.com | GoogleDrive
OneDrive | onedrive.com onedrive.live.com 1drv.com 1drv.ms skydrive.live.com storage.live.com livefilestore.com skyapi.live.net api.onedrive.com | MS_OneDrive OneDrive
Box | box.com boxcdn.net boxcloud.com box.net | Box
MEGA | mega.nz mega.co.nz mega.io megaupload.com | Mega
WeTransfer | wetransfer.com wetransfer.net we.tl | WeTransfer
MediaFire | mediafire.com | Mediafire
RapidShare | rapidshare.com rapidgator.net uploaded.net turbobit.net nitroflare.com 1fichier.com 4shared.com zippyshare.com | RapidShare
GigaFile | gigafile.nu | GigaFile
firestorage | firestorage.jp firestorage.com | firestorage
data deliver | datadeliver.net dataposter.jp | DataDeliver
Send Anywhere | send-anywhere.com sendanywhe.re | SendAnywhere
UbuntuONE | one.ubuntu.com | UbuntuONE
pCloud | pcloud.com pcloud.link | pCloud
Yandex Disk | disk.yandex.ru disk.yandex.net disk.yandex.com | YandexDisk
"""

_MESSENGER = """
LINE | line.me line-apps.com line.naver.jp line-scdn.net linecorp.com line-cdn.net lin.ee linetv.tw | Line LINE LineCall Line_Call LineVoip
WhatsApp | whatsapp.com whatsapp.net wa.me | WhatsApp WhatsAppCall WhatsAppFiles WhatsAppVoice
Facebook Messenger | messenger.com m.me edge-chat.facebook.com edge-mqtt.facebook.com mqtt.facebook.com mqtt-mini.facebook.com b-mqtt.facebook.com rupload.facebook.com | Messenger FacebookMessenger FacebookVoip FbookMessenger
Telegram | telegram.org telegram.me telegram.com t.me tdesktop.com telegra.ph telesco.pe | Telegram TelegramVoip
Signal | signal.org whispersystems.org signal.group signal.me textsecure-service-staging.whispersystems.org | Signal SignalVoip SignalCall
Viber | viber.com viber.io vb.me cdn.viber.com viber.co.uk | Viber ViberVoip
Skype and Teams | skype.com skype.net skypeassets.com skypeforbusiness.com lync.com teams.microsoft.com teams.live.com teams.cdn.office.net skypedataprdcolneu04.cloudapp.net trouter.io messenger.live.com teams.skype.com statics.teams.cdn.office.net | Skype Skype_Teams Skype_TeamsCall SkypeCall SkypeOut SkypeIn Teams TeamsCall MSTeams
Slack | slack.com slack-edge.com slackb.com slack-msgs.com slack-files.com slack-imgs.com slack-core.com slack-redir.net | Slack
Discord | discord.com discordapp.com discordapp.net discord.gg discord.media discord.gift discord.dev dis.gd discordcdn.com | Discord
Zoom | zoom.us zoom.com zoom.com.cn zoomgov.com zoomcloud.cn | Zoom
Webex | webex.com wbx2.com ciscospark.com webexcontent.com webex.com.cn webexapis.com | Webex
Google Meet | meet.google.com meet.googleapis.com duo.google.com hangouts.google.com hangouts.googleapis.com turn.l.google.com stun.l.google.com meetings.googleapis.com | GoogleMeet GoogleCall GoogleHangoutDuo GoogleHangout GoogleDuo HangoutDuo
Google Chat | chat.google.com chat.usercontent.google.com dynamite-pa.clients6.google.com | GoogleChat
WeChat | wechat.com weixin.qq.com wx.qq.com weixin.com weixinbridge.com wechatapp.com wechatpay.com wxapp.tc.qq.com wx.gtimg.com res.wx.qq.com wxs.qq.com servicewechat.com | WeChat
QQ | im.qq.com qq.com gtimg.com gtimg.cn qpic.cn qlogo.cn tencent.com | QQ
KakaoTalk | kakao.com kakaocdn.net kakao.co.kr kakaocorp.com daumkakao.com | KakaoTalk KakaoTalk_Voice
DingTalk | dingtalk.com dingtalkapps.com dingtalk.cn dingtalkcloud.com laiwang.com | DingTalk
Lark | larksuite.com feishu.cn feishucdn.com larkoffice.com | Lark
Zalo | zalo.me zaloapp.com zadn.vn zdn.vn zaloapp.vn zalopay.vn | Zalo
imo | imo.im imoim.net | IMO imo
Threema | threema.ch threema.com | Threema
Wire | wire.com wireapp.com zinfra.io | Wire
Element | element.io matrix.org riot.im vector.im | Matrix Element
Snapchat | snapchat.com snap.com sc-cdn.net snapads.com sc-static.net sc-jpl.com sc-prod.net snapkit.com feelinsonice-hrd.appspot.com feelinsonice.appspot.com addlive.io bitmoji.com | Snapchat SnapchatCall
Chatwork | chatwork.com chatwork.net cwfiles.com | Chatwork
LINE WORKS | worksmobile.com worksmobile.net line-works.com | LineWorks
Mattermost | mattermost.com mattermost.org | Mattermost
Rocket.Chat | rocket.chat | RocketChat
Jabber | jabber.org xmpp.org jabber.ru jabber.ccc.de jabber.de | Jabber XMPP UnencryptedJabber Unencrypted_Jabber
IRC | libera.chat freenode.net quakenet.org undernet.org efnet.org ircnet.com oftc.net | IRC
ICQ | icq.com icq.net oscar.aol.com aim.com login.oscar.aol.com | Oscar ICQ AIM OSCAR
TeamSpeak | teamspeak.com teamspeak.de teamspeakusa.com myteamspeak.com | TeamSpeak
Mumble | mumble.info mumble.com | Mumble
TrueConf | trueconf.com trueconf.ru | TrueConf
Jitsi | jit.si 8x8.vc | Jitsi
BlueJeans | bluejeans.com | BlueJeans
GoToMeeting | gotomeeting.com gotowebinar.com goto.com logmeininc.com citrixonline.com expertcity.com | GoTo GoToMeeting
RingCentral | ringcentral.com | RingCentral
Yahoo Messenger | messenger.yahoo.com msg.yahoo.com | YahooMessenger Yahoo_Messenger
Nimbuzz | nimbuzz.com | Nimbuzz
Tango | tango.me | Tango
BBM | bbm.com | BlackberryMessenger
Truphone | truphone.com | TruPhone
"""

_SOCIAL_MEDIA = """
Facebook | facebook.com facebook.net fbcdn.net fb.com fb.me fbsbx.com fb.gg fbcdn.com fb.watch facebook-hardware.com meta.com tfbnw.net | Facebook FacebookApps FacebookReelStory FacebookMedia
Instagram | instagram.com cdninstagram.com ig.me instagr.am ig.com instagram.c10r.facebook.com | Instagram InstagramVideo
Threads | threads.net threads.com | Threads
X | twitter.com twimg.com t.co x.com twttr.com twttr.net periscope.tv pscp.tv vine.co tweetdeck.com twitpic.com ads-twitter.com | Twitter X
TikTok | tiktok.com tiktokcdn.com tiktokv.com tiktokcdn-us.com tiktokcdn-eu.com tiktokv.us tiktokv.eu tiktokw.us musical.ly muscdn.com byteoversea.com ibytedtos.com ibyteimg.com ttwstatic.com tiktokrow-cdn.com ttlivecdn.com ttoverseaus.net isnssdk.com douyin.com douyincdn.com douyinpic.com douyinvod.com bytedance.com byted.org bytecdn.cn snssdk.com pstatp.com amemv.com | TikTok
LinkedIn | linkedin.com licdn.com lnkd.in linkedin.cn | LinkedIn
Pinterest | pinterest.com pinimg.com pinterest.jp pin.it pinterest.co.uk pinterest.de pinterest.fr | Pinterest
Reddit | reddit.com redd.it redditmedia.com redditstatic.com reddituploads.com redditspace.com redditblog.com | Reddit
Tumblr | tumblr.com tmblr.co txmblr.com | Tumblr
VK | vk.com vk.me vk.cc vk.ru vkontakte.ru userapi.com vk-cdn.net vkuservideo.net vkuseraudio.net vkuser.net vk-portal.net vkvideo.ru vk-apps.com | VK VKontakte
Odnoklassniki | ok.ru odnoklassniki.ru okcdn.ru mycdn.me | OK Odnoklassniki
Weibo | weibo.com weibo.cn sina.com.cn sina.com sinaimg.cn sinajs.cn sina.cn weibocdn.com sinaapp.com miaopai.com | Sina SinaWeibo Sina(Weibo) Weibo
Xiaohongshu | xiaohongshu.com xhscdn.com xhslink.com rednote.com | RedNote Xiaohongshu
Bluesky | bsky.app bsky.social bsky.network | Bluesky BlueSky
Mastodon | mastodon.social joinmastodon.org mstdn.jp mastodon.online pawoo.net fosstodon.org mastodon.cloud | Mastodon
misskey | misskey.io misskey.design misskey-hub.net | Misskey
mixi | mixi.jp mixi.net | mixi
Ameba | ameba.jp ameblo.jp amebaownd.com | Ameba
note | note.com note.mu | note
Nextdoor | nextdoor.com | Nextdoor
Badoo | badoo.com badoo.app badoocdn.com bumble.com bumbcdn.com | Badoo
Tinder | tinder.com gotinder.com | Tinder
Likee | likee.com likee.video like.video likeevideo.com like-video.com | Likee
Kuaishou | kuaishou.com gifshow.com yximgs.com kwai.com kwaicdn.com kwaipros.com | Kwai Kuaishou
Tuenti | tuenti.com | Tuenti
Google+ | plus.google.com | GooglePlus
Quora | quora.com quoracdn.net | Quora
Truth Social | truthsocial.com | TruthSocial
BeReal | bereal.com bere.al bereal.network | BeReal
Lemon8 | lemon8-app.com | Lemon8
Clubhouse | clubhouse.com joinclubhouse.com clubhouseapi.com | Clubhouse
Flickr | flickr.com staticflickr.com | Flickr
Douban | douban.com doubanio.com | Douban
"""

_VIDEO = """
YouTube | youtube.com youtu.be googlevideo.com ytimg.com youtube-nocookie.com youtubei.googleapis.com youtube.googleapis.com youtubekids.com youtubegaming.com yt3.ggpht.com yt3.googleusercontent.com youtube-ui.l.google.com video-stats.l.google.com youtubeembeddedplayer.googleapis.com youtubeeducation.com ytstatic.l.google.com youtube.co.jp upload.youtube.com upload.video.google.com wide-youtube.l.google.com | YouTube YouTubeUpload YouTubeKids
Netflix | netflix.com netflix.net nflxext.com nflximg.com nflximg.net nflxso.net nflxvideo.net fast.com nflxsearch.net netflixdnstest.com netflix.ca | NetFlix Netflix
Prime Video | primevideo.com amazonvideo.com pv-cdn.net aiv-cdn.net aiv-delivery.net atv-ps.amazon.com atv-ext.amazon.com avodmp4s3ww-a.akamaihd.net video.a2z.com primevideo.com.edgekey.net atv-ps-eu.amazon.co.uk atv-ps-fe.amazon.co.jp | AmazonVideo PrimeVideo
Disney+ | disneyplus.com disney-plus.net dssott.com bamgrid.com disneystreaming.com disneyplus.disney.co.jp dssedge.com starott.com hotstar.com hotstarext.com hotstar-cdn.net | DisneyPlus Hotstar
Hulu | hulu.com hulu.jp huluim.com hulustream.com happyon.jp | Hulu
Max | max.com hbomax.com hbomaxcdn.com hbogo.com hbonow.com hbo.com discomax.com hbomax.hbo.com hboasia.com maxgo.com | HBO HBOMAX Max
Apple TV+ | tv.apple.com tv-applications.apple.com hls-amt.itunes.apple.com hls.itunes.apple.com np-edge.itunes.apple.com play-edge.itunes.apple.com | AppleTVPlus AppleTV
Paramount+ | paramountplus.com cbsaavideo.com cbsivideo.com cbsi.com pplusstatic.com paramountplus.cbs.com | ParamountPlus Paramount
Peacock | peacocktv.com peacock-web.com | Peacock
Dazn | dazn.com dazn-api.com indazn.com daznservices.com daznedge.net dazndn.com dazn.tv daznfeeds.com dcalivedazn.akamaized.net | Dazn DAZN
Zattoo | zattoo.com zahs.tv zattoo.tv zattosecurehd2-f.akamaihd.net zattic.com zattoo-hls-live.akamaized.net | Zattoo
Twitch | twitch.tv ttvnw.net jtvnw.net twitchcdn.net twitchsvc.net ext-twitch.tv twitch.com live-video.net justin.tv twitchapp.net | Twitch
Kick | kick.com live.kick.com | Kick
Rumble | rumble.com rumble.cloud 1a-1791.com | Rumble
Vimeo | vimeo.com vimeocdn.com livestream.com vimeo-staging.com vimeows.com | Vimeo
Dailymotion | dailymotion.com dmcdn.net dai.ly dm-event.net | Dailymotion
Vevo | vevo.com vevoaa.edgesuite.net | Vevo VEVO
Niconico | nicovideo.jp nimg.jp nicovideo.me nico.ms dmc.nico niconico.com smilevideo.jp | Niconico
ABEMA | abema.tv abema.io ameba.abema.tv abema-tv.com hayabusa.io | Abema AbemaTV
TVer | tver.jp tver.co.jp | TVer
U-NEXT | unext.jp video.unext.jp unext.co.jp nxtv.jp | UNEXT
FOD | fod.fujitv.co.jp | FOD
Bilibili | bilibili.com bilivideo.com bilivideo.cn hdslb.com biliapi.net biliapi.com bilibili.tv bilibili.cn b23.tv | Bilibili BiliBili
iQIYI | iqiyi.com iqiyipic.com iq.com 71.am ppstream.com pps.tv qiyi.com qy.net | iQIYI PPStream
QQLive | video.qq.com v.qq.com wetv.vip wetv.qq.com vv.video.qq.com live.qq.com qqvideo.tc.qq.com | QQLive TencentVideo Tencentvideo
Youku | youku.com ykimg.com tudou.com | Youku
iflix | iflix.com images.iflix.com | iFLIX iflix
Viu | viu.com viu.tv | Viu
Crunchyroll | crunchyroll.com vrv.co crunchyrollsvc.com | Crunchyroll CrunchyRoll
Plex | plex.tv plex.direct plexapp.com | Plex
Roku | roku.com rokucdn.com ravm.tv | Roku
Tubi | tubi.tv tubitv.com tubi.io | TubiTV Tubi
Pluto TV | pluto.tv plutotv.net | PlutoTV
FuboTV | fubo.tv fubotv.com | FuboTV
Sky | sky.com skygo.sky.com nowtv.com nowtv.it skygo.it sky.it | SkyGo NowTV
Sling | sling.com slingtv.com movetv.com | Sling SlingTV
Rakuten TV | rakuten.tv | RakutenTV
RaiPlay | raiplay.it rai.it | RaiPlay Rai
Mediaset Infinity | mediasetinfinity.mediaset.it mediaset.it | Mediaset
Globo | globoplay.globo.com | Globo
SHOWTIME | sho.com showtime.com | Showtime
ESPN | espn.com espncdn.com espn.net espn.go.com | ESPN
BBC iPlayer | iplayer.bbc.co.uk bbci.co.uk bbc.co.uk bbc.com | BBC
TVUPlayer | tvunetworks.com | TVUplayer TVUPlayer
SopCast | sopcast.com sopcast.org | SopCast
PPTV | pptv.com pplive.com | PPTV PPLive PPlive
Kodi | kodi.tv | Kodi
DASH stream | dashif.org livesim.dashif.org | MpegDash MPEG-DASH MPEGDash
HLS stream | | HLS
RTMP stream | | RTMP
RTSP stream | | RTSP
MPEG-TS stream | | MPEG_TS MpegTS
SRT stream | | SRT
"""

_GAMES = """
Steam | steampowered.com steamcommunity.com steamcontent.com steamstatic.com steamgames.com steamusercontent.com steamserver.net steam-chat.com valvesoftware.com steamcdn-a.akamaihd.net steamstore-a.akamaihd.net steamcommunity-a.akamaihd.net steamuserimages-a.akamaihd.net cs.steampowered.com s.team valve.net steambroadcast.akamaized.net steamdeck.com | Steam SteamDatagramRelay Valve_SDR ValveSDR
Source engine | counter-strike.net dota2.com teamfortress.com half-life.com | Source_Engine SourceEngine HalfLife2 CSGO CounterStrike Dota2
Nintendo | nintendo.net nintendo.com nintendo.co.jp nintendowifi.net nintendoswitch.com nintendo-europe.com srv.nintendo.net npns.srv.nintendo.net nintendo.eu nintendo.de | Nintendo
PlayStation | playstation.com playstation.net sonyentertainmentnetwork.com playstationnetwork.com scea.com sonycomputerentertainment.com dl.playstation.net psndl.net sie.com | Playstation PlayStation
Xbox | xbox.com xboxlive.com xboxservices.com xboxab.com xbox.eu gamepass.com xboxgamepass.com xsolla.com playfabapi.com playfab.com msgamestudios.com mc.xboxlive.com halowaypoint.com | Xbox XboxLive PlayFab
Epic Games | epicgames.com epicgames.dev unrealengine.com fortnite.com easyanticheat.net epicgames.net on.epicgames.com ol.epicgames.com eac-cdn.com easy.ac psyonix.com rocketleague.com | EpicGames Fortnite RocketLeague
Roblox | roblox.com rbxcdn.com rbx.com robloxdev.com robloxlabs.com rbxtrk.com | Roblox
Minecraft | minecraft.net mojang.com minecraftservices.com minecraft.com | Minecraft Mojang
Riot Games | riotgames.com leagueoflegends.com riotcdn.net playvalorant.com pvp.net lolesports.com riotgames.net rgpub.io teamfighttactics.com lolstatic.com wildrift.leagueoflegends.com | RiotGames LoLWildRift LeagueOfLegends LOLWildRift
Blizzard | battle.net blizzard.com blizzard.net bnet.com worldofwarcraft.com starcraft2.com starcraft.com diablo3.com playhearthstone.com heroesofthestorm.com playoverwatch.com overwatchleague.com blz-contentstack.com blzstatic.cn bnetcmsus-a.akamaihd.net blzddist1-a.akamaihd.net blzmedia-a.akamaihd.net wow.com | Starcraft WorldOfWarcraft Warcraft3 Heroes_of_the_Storm Blizzard BattleNet Battle.net Hearthstone Overwatch Diablo
Activision | activision.com callofduty.com demonware.net codm.activision.com callofdutymobile.com codmwest.com activisionblizzard.com | Activision CoD_Mobile CoDMobile
Electronic Arts | ea.com origin.com eac3w.com easports.com battlefield.com eaassets-a.akamaihd.net tnt-ea.com respawn.com dice.se apexlegends.com | ElectronicArts EA Origin
Ubisoft | ubisoft.com ubi.com uplay.com ubisoftconnect.com ubisoft.org | Ubisoft Uplay
Rockstar | rockstargames.com socialclub.com rsg.sc take2games.com 2k.com | RockstarGames Rockstar
Bethesda | bethesda.net elderscrollsonline.com | Bethesda
Square Enix | square-enix.com square-enix-games.com finalfantasyxiv.com playonline.com dqx.jp | SquareEnix FinalFantasyXIV
Bandai Namco | bandainamcoent.com bandainamcoent.co.jp bandainamcogames.com bn765.com | BandaiNamco
Konami | konami.net konami.com | Konami
HoYoverse | hoyoverse.com mihoyo.com yuanshen.com genshinimpact.com hoyolab.com bhsr.com starrails.com zenlesszonezero.com | GenshinImpact HoYoverse Mihoyo HonkaiStarRail
Tencent Games | game.qq.com tencentgames.com proximabeta.com pubgmobile.com igamecj.com anticheatexpert.com levelinfinite.com intlgame.com wegame.com wegame.com.cn gcloudcs.com | TencentGames PUBG PUBGMobile HonorOfKings
PUBG | pubg.com playbattlegrounds.com krafton.com | PUBGPC
Garena | garena.com freefiremobile.com ff.garena.com freefire.com garenanow.com | Garena FreeFire GarenaFreeFire Garena_Free_Fire
Supercell | supercell.com supercell.net clashofclans.com clashroyale.com brawlstarsgame.com brawlstars.com clashroyaleapp.com haydaygame.com boombeachgame.com squadbusters.com | ClashOfClans BrawlStars Brawl_Stars Supercell ClashRoyale
Niantic | nianticlabs.com pokemongolive.com pokemongo.com pokemon.com pokemon.co.jp | PokemonGo Pokemon_GO
mixi games | monster-strike.com xflag.com | MonsterStrike
Cygames | cygames.jp cygames.com granbluefantasy.jp shadowverse.jp umamusume.jp priconne-redive.jp | Cygames
Yostar | yostar.co.jp yo-star.com bluearchive.jp azurlane.jp arknights.jp | Yostar
Gaijin | gaijin.net gaijinent.com warthunder.com crossout.net gaijin.team enlisted.net gaijinentertainment.com wtmobile.com | GaijinEntertainment WarThunder Crossout
Wargaming | wargaming.net worldoftanks.com worldoftanks.eu worldofwarships.com worldoftanks.asia wotblitz.com wgcdn.co lesta.ru | WorldOfTanks Wargaming
Grinding Gear Games | pathofexile.com poecdn.com grindinggear.com pathofexile2.com | PathofExile PathOfExile
Jagex | runescape.com jagex.com oldschool.runescape.com | RuneScape Runescape
Among Us | innersloth.com among.us amongus.com | AmongUs
Toca Boca | tocaboca.com exitgames.com exitgamescloud.com exitgames.net photonengine.com photonengine.io exit-games.com tocabocaworld.com | TocaBoca Toca_Boca Photon
GeForce NOW | geforcenow.com nvidiagrid.net geforce.com play.geforcenow.com cloudmatchbeta.nvidiagrid.net gfn.nvidia.com | GeForceNow GeForceNOW
Stadia | stadia.google.com stadia.com | GoogleStadia Stadia
Parsec | parsec.app parsecgaming.com parsecusercontent.com | Parsec
King | king.com candycrushsaga.com midasplayer.com | CandyCrush King
Zynga | zynga.com zyngagames.com farmville.com | Zynga
Nexon | nexon.com nexon.co.jp maplestory.nexon.net nexon.net nexon.io nexoncdn.co.kr maplestory.com | MapleStory Nexon Maplestory
NCSOFT | ncsoft.com ncsoft.jp plaync.com guildwars.com guildwars2.com arena.net aion.com lineage2.com | Guildwars GuildWars GuildWars2 NCSoft Lineage
Crossfire | z8games.com crossfire.com smilegate.com | Crossfire CrossFire
Dofus | dofus.com ankama.com dofus-touch.com | Dofus
Fiesta | fiestaonline.com gamigo.com | Fiesta
Florensia | florensia.com | Florensia
World of Kung Fu | worldofkungfu.com | WorldOfKungFu World_of_Kung_Fu
Armagetron | armagetronad.org armagetronad.net | Armagetron
Quake | quakelive.com idsoftware.com | Quake
Facepunch Rust | facepunch.com playrust.com rust.facepunch.com | Rust Facepunch
Hypixel | hypixel.net | Hypixel
osu! | ppy.sh osu.ppy.sh | osu
GOG | gog.com gogalaxy.com gog-statics.com cdprojektred.com | GOG
itch.io | itch.io itch.zone | itch
Miniclip | miniclip.com agar.io | Miniclip
Gameloft | gameloft.com | Gameloft
Chess | chess.com lichess.org chesscomfiles.com | Chess
GREE | gree.net gree.jp gree-games.com | GREE
DeNA | mobage.jp mbga.jp dena.com | Mobage
DMM GAMES | dmmgames.com games.dmm.com games.dmm.co.jp | DMMGames
VRChat | vrchat.com vrchat.cloud | VRChat
Naraka | narakathegame.com | NarakaBladepoint
NetEase Games | neteasegames.com easebar.com netease.com | NetEaseGames Netease NetEase
Mobile Legends | mobilelegends.com moonton.com youngjoygame.com | MobileLegends
Free games portal | poki.com crazygames.com y8.com kongregate.com friv.com | Kongregate
"""

_TABLES = {
    Kind.FILE_SHARING: _FILE_SHARING,
    Kind.MESSENGER: _MESSENGER,
    Kind.SOCIAL_MEDIA: _SOCIAL_MEDIA,
    Kind.VIDEO: _VIDEO,
    Kind.GAMES: _GAMES,
}
